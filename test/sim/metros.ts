/**
 * Where clients are: the large urban agglomerations of the world, and so many of each part of it that every client
 * bucket has several. Populations in millions after United Nations, World Urbanization Prospects 2018 (the 2018 column,
 * rounded to 0.1; https://population.un.org/wup/, as remembered, not fetched); coordinates of the city centres, rounded
 * to 0.1 degree. Good to a few percent, which is more than routing needs.
 */

export interface Metro {
  readonly name: string;
  /** ISO 3166-1 alpha-2, as `request.cf` says it. */
  readonly country: string;
  readonly continent: "AF" | "AS" | "EU" | "NA" | "OC" | "SA";
  readonly latitude: number;
  readonly longitude: number;
  readonly populationM: number;
}

const AS = `Tokyo JP 35.7 139.7 37.5|Delhi IN 28.6 77.2 28.5|Shanghai CN 31.2 121.5 25.6|Mumbai IN 19.1 72.9 20.0
Beijing CN 39.9 116.4 19.6|Dhaka BD 23.8 90.4 19.6|Osaka JP 34.7 135.5 19.3|Karachi PK 24.9 67.0 15.4
Chongqing CN 29.6 106.6 14.8|Istanbul TR 41.0 29.0 14.8|Kolkata IN 22.6 88.4 14.7|Manila PH 14.6 121.0 13.5
Tianjin CN 39.1 117.2 13.2|Guangzhou CN 23.1 113.3 12.6|Shenzhen CN 22.5 114.1 11.9|Lahore PK 31.5 74.3 11.7
Bangalore IN 13.0 77.6 11.4|Jakarta ID -6.2 106.8 10.5|Chennai IN 13.1 80.3 10.5|Bangkok TH 13.8 100.5 10.2
Seoul KR 37.6 127.0 10.0|Nagoya JP 35.2 136.9 9.5|Hyderabad IN 17.4 78.5 9.5|Tehran IR 35.7 51.4 8.9
Chengdu CN 30.7 104.1 8.8|Nanjing CN 32.1 118.8 8.2|Wuhan CN 30.6 114.3 8.2|Ho-Chi-Minh-City VN 10.8 106.7 8.1
Ahmedabad IN 23.0 72.6 7.7|Kuala-Lumpur MY 3.1 101.7 7.6|Xian CN 34.3 108.9 7.4|Hong-Kong HK 22.3 114.2 7.4
Hangzhou CN 30.3 120.2 7.2|Surat IN 21.2 72.8 6.6|Suzhou CN 31.3 120.6 6.3|Riyadh SA 24.7 46.7 6.9
Baghdad IQ 33.3 44.4 6.8|Pune IN 18.5 73.9 6.3|Singapore SG 1.4 103.8 5.8|Fukuoka JP 33.6 130.4 5.5
Yangon MM 16.8 96.2 5.2|Chittagong BD 22.3 91.8 4.8|Ankara TR 39.9 32.9 4.9|Hanoi VN 21.0 105.8 4.3
Jeddah SA 21.5 39.2 4.4|Busan KR 35.2 129.1 3.5|Tel-Aviv IL 32.1 34.8 4.0|Dubai AE 25.2 55.3 2.8
Taipei TW 25.0 121.5 2.7|Tashkent UZ 41.3 69.2 2.5|Surabaya ID -7.3 112.7 2.9|Colombo LK 6.9 79.9 0.6
Almaty KZ 43.2 76.9 1.8|Amman JO 31.9 35.9 2.1|Kuwait KW 29.4 48.0 2.9|Beirut LB 33.9 35.5 2.4`;
const EU = `Moscow RU 55.8 37.6 12.4|Paris FR 48.9 2.4 10.9|London GB 51.5 -0.1 9.0|Madrid ES 40.4 -3.7 6.5
Barcelona ES 41.4 2.2 5.5|Saint-Petersburg RU 59.9 30.3 5.4|Rome IT 41.9 12.5 4.2|Berlin DE 52.5 13.4 3.6
Athens GR 38.0 23.7 3.2|Milan IT 45.5 9.2 3.1|Kyiv UA 50.5 30.5 2.9|Lisbon PT 38.7 -9.1 2.9
Manchester GB 53.5 -2.2 2.7|Birmingham GB 52.5 -1.9 2.6|Brussels BE 50.8 4.4 2.1|Vienna AT 48.2 16.4 1.9
Bucharest RO 44.4 26.1 1.8|Hamburg DE 53.6 10.0 1.8|Warsaw PL 52.2 21.0 1.8|Budapest HU 47.5 19.0 1.8
Stockholm SE 59.3 18.1 1.6|Munich DE 48.1 11.6 1.5|Zurich CH 47.4 8.5 1.4|Belgrade RS 44.8 20.5 1.4
Copenhagen DK 55.7 12.6 1.3|Prague CZ 50.1 14.4 1.3|Helsinki FI 60.2 24.9 1.3|Dublin IE 53.3 -6.3 1.2
Amsterdam NL 52.4 4.9 1.1|Oslo NO 59.9 10.8 1.0|Frankfurt DE 50.1 8.7 0.8`;
const NA = `Mexico-City MX 19.4 -99.1 21.6|New-York US 40.7 -74.0 18.8|Los-Angeles US 34.1 -118.2 12.5|Chicago US 41.9 -87.6 8.9
Houston US 29.8 -95.4 6.1|Dallas US 32.8 -96.8 6.1|Miami US 25.8 -80.2 6.0|Toronto CA 43.7 -79.4 6.1
Atlanta US 33.7 -84.4 5.6|Philadelphia US 40.0 -75.2 5.7|Washington US 38.9 -77.0 5.2|Guadalajara MX 20.7 -103.3 5.0
Monterrey MX 25.7 -100.3 4.7|Phoenix US 33.4 -112.1 4.4|Boston US 42.4 -71.1 4.3|Montreal CA 45.5 -73.6 4.2
Seattle US 47.6 -122.3 3.4|San-Francisco US 37.8 -122.4 3.3|San-Diego US 32.7 -117.2 3.2|Minneapolis US 45.0 -93.3 2.8
Denver US 39.7 -105.0 2.7|Vancouver CA 49.3 -123.1 2.5|Havana CU 23.1 -82.4 2.1|Guatemala-City GT 14.6 -90.5 2.9
Santo-Domingo DO 18.5 -69.9 3.2|San-Jose CR 9.9 -84.1 1.4|Panama-City PA 9.0 -79.5 1.8`;
const SA = `Sao-Paulo BR -23.6 -46.6 21.7|Buenos-Aires AR -34.6 -58.4 15.0|Rio-de-Janeiro BR -22.9 -43.2 13.3|Bogota CO 4.7 -74.1 10.6
Lima PE -12.0 -77.0 10.4|Santiago CL -33.4 -70.7 6.7|Belo-Horizonte BR -19.9 -43.9 6.0|Brasilia BR -15.8 -47.9 4.5
Porto-Alegre BR -30.0 -51.2 4.1|Recife BR -8.1 -34.9 4.0|Fortaleza BR -3.7 -38.5 4.0|Medellin CO 6.2 -75.6 3.9
Caracas VE 10.5 -66.9 2.9|Guayaquil EC -2.2 -79.9 2.9|Montevideo UY -34.9 -56.2 1.7`;
const AF = `Cairo EG 30.0 31.2 20.1|Lagos NG 6.5 3.4 13.5|Kinshasa CD -4.3 15.3 13.2|Johannesburg ZA -26.2 28.0 9.2
Luanda AO -8.8 13.2 7.8|Dar-es-Salaam TZ -6.8 39.3 6.0|Khartoum SD 15.5 32.6 5.5|Abidjan CI 5.4 -4.0 4.9
Alexandria EG 31.2 29.9 5.1|Addis-Ababa ET 9.0 38.7 4.4|Nairobi KE -1.3 36.8 4.4|Cape-Town ZA -33.9 18.4 4.4
Casablanca MA 33.6 -7.6 3.7|Accra GH 5.6 -0.2 2.4|Algiers DZ 36.8 3.1 2.7|Dakar SN 14.7 -17.5 2.9|Tunis TN 36.8 10.2 2.3`;
const OC = `Sydney AU -33.9 151.2 4.8|Melbourne AU -37.8 145.0 4.8|Brisbane AU -27.5 153.0 2.3|Perth AU -32.0 115.9 2.0
Auckland NZ -36.8 174.8 1.6|Adelaide AU -34.9 138.6 1.3`;

export const METROS: readonly Metro[] = [
  ...metrosOf("AS", AS),
  ...metrosOf("EU", EU),
  ...metrosOf("NA", NA),
  ...metrosOf("SA", SA),
  ...metrosOf("AF", AF),
  ...metrosOf("OC", OC),
];

function metrosOf(continent: Metro["continent"], table: string): readonly Metro[] {
  return table.split(/[|\n]/).map((row) => {
    const [name = "", country = "", latitude, longitude, population] = row.split(" ");
    return {
      name,
      country,
      continent,
      latitude: Number(latitude),
      longitude: Number(longitude),
      populationM: Number(population),
    };
  });
}
