/**
 * Which IP addresses and host names lead to the public internet. Pure: a name is judged by its spelling, never resolved;
 * what a public name resolves to is for the network underneath to refuse (README, Decisions).
 * A host is taken as `URL` spells it: that parser has already turned decimal, octal, hexadecimal, shortened and full-width
 * spellings of an IPv4 address into the dotted one, and lower-cased names.
 * Sources: the IANA registries of special-purpose addresses, iana.org/assignments/iana-ipv4-special-registry and
 * -ipv6-special-registry (accessed 2026-11-21), and the clouds' own pages on their metadata servers.
 */

/** Address and length of a prefix that is not public, and what it is. */
type Range = readonly [network: string, bits: number, what: string];

const IPV4_RANGES: readonly Range[] = [
  ["0.0.0.0", 8, "an address of this network"],
  ["10.0.0.0", 8, "a private address"],
  ["100.64.0.0", 10, "an address of a carrier's own network"],
  ["127.0.0.0", 8, "a loopback address"],
  ["169.254.0.0", 16, "a link-local address, where metadata servers are"],
  ["172.16.0.0", 12, "a private address"],
  ["192.0.0.0", 24, "an address of protocols, where a metadata server is"],
  ["192.0.2.0", 24, "an address for documentation"],
  ["192.31.196.0", 24, "an address of the AS112 service"],
  ["192.52.193.0", 24, "an address of multicast relays"],
  ["192.88.99.0", 24, "an address of 6to4 relays"],
  ["192.168.0.0", 16, "a private address"],
  ["192.175.48.0", 24, "an address of the AS112 service"],
  ["198.18.0.0", 15, "an address for benchmarks"],
  ["198.51.100.0", 24, "an address for documentation"],
  ["203.0.113.0", 24, "an address for documentation"],
  ["224.0.0.0", 4, "a multicast address"],
  ["240.0.0.0", 4, "a reserved address"],
  // Azure's wire server: public by its number, and answered within every virtual machine.
  ["168.63.129.16", 32, "a metadata server"],
];

/** Within 2000::/3; everything outside of it is refused anyway. */
const IPV6_RANGES: readonly Range[] = [
  ["2001:0:0:0:0:0:0:0", 23, "an address of protocols or tunnels"],
  ["2001:db8:0:0:0:0:0:0", 32, "an address for documentation"],
  ["2002:0:0:0:0:0:0:0", 16, "a 6to4 address, which carries an IPv4 one"],
  ["2620:4f:8000:0:0:0:0:0", 48, "an address of the AS112 service"],
  ["3fff:0:0:0:0:0:0:0", 20, "an address for documentation"],
];

/** Suffixes (whole labels) of names that belong to a machine or a private network. */
const LOCAL_SUFFIXES: readonly string[] = [
  "localhost",
  "localdomain",
  "local",
  "internal",
  "intranet",
  "private",
  "corp",
  "home",
  "lan",
  "svc",
  "arpa",
  "onion",
];

/** Public names that are there to lead inside: metadata servers, and zones that resolve to any address that is asked for. */
const INWARD_SUFFIXES: readonly string[] = [
  "metadata.goog",
  "metadata.tencentyun.com",
  "metadata.packet.net",
  "metadata.platformequinix.com",
  "nip.io",
  "sslip.io",
  "xip.io",
  "traefik.me",
  "localtest.me",
  "lvh.me",
  "vcap.me",
  "lacolhost.com",
  "rbndr.us",
  "1u.ms",
];

/** Longest host name that DNS knows. */
const HOST_CHARS_MAX = 253;

/**
 * Why `host` (the `hostname` of a `URL`) is not on the public internet, as the end of a sentence that begins with it;
 * undefined when it may be.
 */
export function hostFault(host: string): string | undefined {
  if (host === "" || host.length > HOST_CHARS_MAX) return "is not a host name";
  if (host.startsWith("[")) return ipv6Fault(host.slice(1, -1));
  const name = host.replace(/\.$/, "");
  const ipv4 = ipv4Of(name);
  if (ipv4 !== undefined) return ipv4Fault(ipv4);
  // The last label of a public name is never a number (RFC 3696); a parser that took it for an address would differ.
  if (/(^|\.)(\d+|0x[0-9a-f]*)$/.test(name)) return "is not a host name";
  return nameFault(name);
}

function nameFault(name: string): string | undefined {
  const isBelow = (suffix: string): boolean => name === suffix || name.endsWith(`.${suffix}`);
  if (LOCAL_SUFFIXES.some(isBelow)) return "is a name of a private network";
  if (!name.includes(".")) return "is a name of a private network";
  if (INWARD_SUFFIXES.some(isBelow)) return "is a name that leads into private networks";
  return undefined;
}

function ipv4Fault(address: bigint): string | undefined {
  const range = IPV4_RANGES.find(([network, bits]) => {
    const rest = BigInt(32 - bits);
    return address >> rest === (ipv4Of(network) ?? 0n) >> rest;
  });
  return range === undefined ? undefined : `is ${range[2]}`;
}

function ipv6Fault(text: string): string | undefined {
  const address = ipv6Of(text);
  if (address === undefined) return "is not an address";
  if (address === 1n) return "is a loopback address";
  if (address >> 32n === 0xffffn) return "is an IPv4 address in disguise";
  if (address >> 32n === 0x64ff9bn << 64n || address >> 80n === 0x64ff9b0001n) return "is a NAT64 address";
  // Only 2000::/3 is given out for hosts of the internet.
  if (address >> 125n !== 1n) return "is not a public address";
  // ISATAP: the IPv4 address of a private tunnel in the lower half.
  if (((address >> 32n) & 0xfdffffffn) === 0x5efen) return "is an address of a tunnel";
  const range = IPV6_RANGES.find(([network, bits]) => {
    const rest = BigInt(128 - bits);
    return address >> rest === (ipv6Of(network) ?? 0n) >> rest;
  });
  return range === undefined ? undefined : `is ${range[2]}`;
}

/** Four decimal numbers, as `URL` writes every IPv4 address. */
function ipv4Of(text: string): bigint | undefined {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1).map(BigInt);
  if (parts === undefined || parts.some((part) => part > 255n)) return undefined;
  return parts.reduce((sum, part) => (sum << 8n) | part, 0n);
}

/** Groups of hexadecimal digits, at most one gap, as `URL` writes every IPv6 address. */
function ipv6Of(text: string): bigint | undefined {
  const [head = "", tail, more] = text.split("::");
  if (more !== undefined) return undefined;
  const groupsOf = (part: string): readonly string[] => (part === "" ? [] : part.split(":"));
  const before = groupsOf(head);
  const after = groupsOf(tail ?? "");
  const missing = 8 - before.length - after.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  const groups = [...before, ...Array.from({ length: missing }, () => "0"), ...after];
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  return groups.reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n);
}
