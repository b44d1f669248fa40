import { expect, test } from "vitest";
import { clientBucket, distanceKm, FAR_KM, networkPriorMs } from "../../../src/router/geography.ts";
import { FRANKFURT, SEOUL } from "./world.ts";

test.each([
  { name: "here is no distance", from: FRANKFURT, to: FRANKFURT, km: 0 },
  { name: "Frankfurt to Seoul over the pole", from: FRANKFURT, to: SEOUL, km: 8_570 },
  {
    name: "across the date line the short way",
    from: { latitude: 0, longitude: 179 },
    to: { latitude: 0, longitude: -179 },
    km: 222,
  },
  { name: "pole to pole", from: { latitude: 90, longitude: 0 }, to: { latitude: -90, longitude: 50 }, km: 20_015 },
])("$name", ({ from, to, km }) => {
  expect(Math.abs(distanceKm(from, to) - km)).toBeLessThan(Math.max(1, km * 0.01));
});

test("what has no coordinates is far", () => {
  expect(distanceKm(null, FRANKFURT)).toBe(FAR_KM);
  expect(distanceKm(FRANKFURT, { latitude: null, longitude: null })).toBe(FAR_KM);
});

test("the prior is there and back through fibre with detours: 15 ms per thousand kilometres", () => {
  expect(networkPriorMs(0)).toBe(0);
  expect(networkPriorMs(1_000)).toBeCloseTo(15.01, 1);
});

test.each([
  { name: "Frankfurt", place: FRANKFURT, bucket: "weur" },
  { name: "Seoul", place: SEOUL, bucket: "apac" },
  { name: "Warsaw", place: { latitude: 52, longitude: 21, country: "PL", continent: "EU" }, bucket: "eeur" },
  { name: "Seattle", place: { latitude: 47, longitude: -122, country: "US", continent: "NA" }, bucket: "wnam" },
  { name: "New York", place: { latitude: 40, longitude: -74, country: "US", continent: "NA" }, bucket: "enam" },
  { name: "São Paulo", place: { latitude: -23, longitude: -46, country: "BR", continent: "SA" }, bucket: "sam" },
  { name: "Lagos", place: { latitude: 6, longitude: 3, country: "NG", continent: "AF" }, bucket: "afr" },
  {
    name: "Dubai is filed under Asia",
    place: { latitude: 25, longitude: 55, country: "AE", continent: "AS" },
    bucket: "me",
  },
  { name: "Sydney", place: { latitude: -33, longitude: 151, country: "AU", continent: "OC" }, bucket: "oc" },
  { name: "a station on the ice", place: { latitude: -77, longitude: 166, continent: "AN" }, bucket: "oc" },
  { name: "an unknown continent code", place: { latitude: 0, longitude: 0, continent: "T1" }, bucket: null },
  { name: "no place", place: null, bucket: null },
  { name: "Berlin by coordinates", place: { latitude: 52.5, longitude: 13.4 }, bucket: "weur" },
  { name: "Mumbai by coordinates", place: { latitude: 19, longitude: 73 }, bucket: "apac" },
  { name: "Chicago by coordinates", place: { latitude: 41.9, longitude: -87.6 }, bucket: "enam" },
  { name: "Lima by coordinates", place: { latitude: -12, longitude: -77 }, bucket: "sam" },
  { name: "Nairobi by coordinates", place: { latitude: -1.3, longitude: 36.8 }, bucket: "afr" },
  { name: "Perth by coordinates", place: { latitude: -32, longitude: 116 }, bucket: "oc" },
])("$name is in bucket $bucket", ({ place, bucket }) => {
  expect(clientBucket(place)).toBe(bucket);
});
