import fc from "fast-check";
import { expect, test } from "vitest";
import { fetchPublic, publicUrl, REDIRECTS_MAX, URL_CHARS_MAX } from "../../../src/core/public-url.ts";

test.each([
  "https://api.example.com/v1",
  "https://API.Example.COM:8443/v1?x=1#y",
  "https://8.8.8.8/",
  "https://1.1.1.1./",
  "https://134744072/",
  "https://100.63.255.255/",
  "https://100.128.0.0/",
  "https://172.15.255.255/",
  "https://172.32.0.1/",
  "https://169.253.255.255/",
  "https://192.0.1.1/",
  "https://198.20.0.1/",
  "https://223.255.255.255/",
  "https://168.63.129.17/",
  "https://[2606:4700:4700::1111]/",
  "https://[2a00:1450:4001:81b::200e]/",
  "https://[2001:4860:4860::8888]/",
  "https://[2620:4f:8001::1]/",
  "https://locals.example.com/",
  "https://internal.example.com/",
  "https://mylocalhost.com/",
  "https://metadata.google.com/",
  "https://bücher.example/",
  "https://10.example.com/",
])("%s is public", (text) => {
  expect(publicUrl(text)).toMatchObject({ ok: true });
});

test("a host with an umlaut is public after many without one", () => {
  for (let at = 0; at < 50_000; at++) publicUrl(`https://a.example/${at}`);
  expect(publicUrl("https://bücher.example/")).toMatchObject({ ok: true });
});

/** Spellings of one address, and hosts, that lead inside. The host as `URL` writes it is what must be judged. */
const INSIDE: readonly string[] = [
  // Loopback and "this host", in every spelling that a parser takes for them.
  "127.0.0.1",
  "127.1",
  "127.0.1",
  "127.255.255.254",
  "2130706433",
  "0x7f000001",
  "0x7f.0.0.1",
  "0x7f.1",
  "0177.0.0.1",
  "017700000001",
  "127.0.0.1.",
  "127。0。0。1",
  "①②⑦.⓪.⓪.①",
  "%31%32%37.0.0.1",
  "0",
  "0.0.0.0",
  "0.255.255.255",
  "localhost",
  "LOCALHOST",
  "localhost.",
  "api.localhost",
  "ⓛocalhost",
  "localhost.localdomain",
  // Private networks.
  "10.0.0.1",
  "10.255.255.255",
  "0xa000001",
  "012.0.0.1",
  "100.64.0.1",
  "100.127.255.255",
  "172.16.0.1",
  "172.31.255.255",
  "192.168.0.1",
  "192.168.257",
  "3232235521",
  // Link-local and metadata.
  "169.254.0.1",
  "169.254.169.254",
  "0xa9fea9fe",
  "2852039166",
  "0251.0376.0251.0376",
  "169.254.170.2",
  "192.0.0.192",
  "100.100.100.200",
  "168.63.129.16",
  "metadata.google.internal",
  "metadata.google.internal.",
  "metadata.goog",
  "metadata",
  "instance-data.ec2.internal",
  "metadata.tencentyun.com",
  // For documentation, benchmarks, relays, multicast, reserved.
  "192.0.2.1",
  "192.31.196.1",
  "192.52.193.1",
  "192.88.99.1",
  "192.175.48.1",
  "198.18.0.1",
  "198.19.255.255",
  "198.51.100.7",
  "203.0.113.7",
  "224.0.0.1",
  "239.255.255.250",
  "240.0.0.1",
  "255.255.255.255",
  // IPv6.
  "[::]",
  "[::1]",
  "[0:0:0:0:0:0:0:1]",
  "[::127.0.0.1]",
  "[::ffff:127.0.0.1]",
  "[::ffff:7f00:1]",
  "[::ffff:8.8.8.8]",
  "[::ffff:a9fe:a9fe]",
  "[::ffff:0:127.0.0.1]",
  "[64:ff9b::7f00:1]",
  "[64:ff9b::8.8.8.8]",
  "[64:ff9b:1::1]",
  "[100::1]",
  "[2001::1]",
  "[2001:0:53aa:64c:0:0:80ff:fffe]",
  "[2001:2::1]",
  "[2001:10::1]",
  "[2001:20::1]",
  "[2001:1ff::1]",
  "[2001:db8::1]",
  "[2002:7f00:1::]",
  "[2002:a9fe:a9fe::1]",
  "[2620:4f:8000::1]",
  "[3fff::1]",
  "[3fff:fff::1]",
  "[2a00::5efe:a00:1]",
  "[2a00::200:5efe:a00:1]",
  "[5f00::1]",
  "[fc00::1]",
  "[fd00:ec2::254]",
  "[fd20:ce::254]",
  "[fe80::1]",
  "[fe80::a9fe:a9fe]",
  "[febf::1]",
  "[fec0::1]",
  "[ff02::1]",
  // Names of private networks, and public names that resolve inside.
  "printer",
  "kubernetes.default.svc",
  "api.default.svc.cluster.local",
  "nas.local",
  "vault.internal",
  "wiki.corp",
  "router.lan",
  "router.home",
  "router.home.arpa",
  "1.0.0.127.in-addr.arpa",
  "hidden.onion",
  "localtest.me",
  "app.lvh.me",
  "127.0.0.1.nip.io",
  "10-0-0-1.sslip.io",
];

test.each(INSIDE)("%s is refused", (host) => {
  const judged = publicUrl(`https://${host}/v1`);
  expect(judged).toMatchObject({
    ok: false,
    error: expect.stringMatching(/^must be (on the public internet: |a URL)/),
  });
});

test.each([
  { name: "http", text: "http://api.example.com/", error: "must be an https URL, not http:" },
  { name: "ftp", text: "ftp://api.example.com/", error: "must be an https URL, not ftp:" },
  { name: "a file", text: "file:///etc/passwd", error: "must be an https URL, not file:" },
  { name: "data", text: "data:text/plain,x", error: "must be an https URL, not data:" },
  { name: "a password", text: "https://a:b@api.example.com/", error: "must not carry a user name or password" },
  {
    name: "a name before an @",
    text: "https://api.example.com@127.0.0.1/",
    error: "must not carry a user name or password",
  },
  { name: "no URL", text: "api.example.com/v1", error: "must be a URL" },
  { name: "an empty text", text: "", error: "must be a URL" },
  { name: "no host", text: "https://", error: "must be a URL" },
  { name: "a number that is no address", text: "https://1.2.3.256/", error: "must be a URL" },
  {
    name: "a long one",
    text: `https://a.example.com/${"x".repeat(URL_CHARS_MAX)}`,
    error: `must be a URL of at most ${URL_CHARS_MAX} characters`,
  },
  { name: "a long host", text: `https://${"a.".repeat(130)}com/`, error: /is not a host name$|^must be a URL$/ },
])("$name is refused with its reason", ({ text, error }) => {
  expect(publicUrl(text)).toMatchObject({
    ok: false,
    error: typeof error === "string" ? error : expect.stringMatching(error),
  });
});

test("a refusal repeats no path, query or password", () => {
  for (const text of ["https://10.0.0.1/secret?key=secret#secret", "https://secret:secret@a.example.com/secret"]) {
    expect(JSON.stringify(publicUrl(text))).not.toContain("secret");
  }
});

test("an operator that has opted in reaches its own network, and nothing but http and https", () => {
  const rule = { allowsPrivate: true };
  for (const text of ["http://127.0.0.1:11434/v1", "https://10.0.0.7/v1", "http://ollama:11434/v1"]) {
    expect(publicUrl(text, rule), text).toMatchObject({ ok: true });
  }
  for (const text of ["file:///etc/passwd", "ftp://10.0.0.7/", "http://a:b@10.0.0.7/"]) {
    expect(publicUrl(text, rule), text).toMatchObject({ ok: false });
  }
});

test("no IPv4 address of a private range passes, however it is written", () => {
  const ranges = [
    [0x0a000000, 8],
    [0x7f000000, 8],
    [0xa9fe0000, 16],
    [0xac100000, 12],
    [0xc0a80000, 16],
    [0x64400000, 10],
  ] as const;
  const address = fc
    .tuple(fc.constantFrom(...ranges), fc.nat(0xffffff))
    .map(([[network, bits], rest]) => network + (rest % 2 ** (32 - bits)));
  const bytes = (value: number): number[] => [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
  const spelling = fc.constantFrom(
    (value: number) => bytes(value).join("."),
    (value: number) => String(value),
    (value: number) => `0x${value.toString(16)}`,
    (value: number) => `0${value.toString(8)}`,
    (value: number) =>
      bytes(value)
        .map((byte) => `0${byte.toString(8)}`)
        .join("."),
    (value: number) =>
      bytes(value)
        .map((byte) => `0x${byte.toString(16)}`)
        .join("."),
    (value: number) => `${value >>> 24}.${value & 0xffffff}`,
    (value: number) => `[::ffff:${bytes(value).join(".")}]`,
    (value: number) => `[64:ff9b::${(value >>> 16).toString(16)}:${(value & 0xffff).toString(16)}]`,
    (value: number) => `[2002:${(value >>> 16).toString(16)}:${(value & 0xffff).toString(16)}::]`,
  );
  fc.assert(
    fc.property(address, spelling, (value, spell) => !publicUrl(`https://${spell(value)}/`).ok),
    { numRuns: 2_000 },
  );
});

/** A network of addresses and what they answer; it counts what reached it. */
function network(answers: Readonly<Record<string, () => Response>>) {
  const seen: { url: string; headers: Record<string, string>; redirect: string | undefined }[] = [];
  return {
    seen,
    async fetch(url: string, init: RequestInit): Promise<Response> {
      seen.push({ url, headers: Object.fromEntries(new Headers(init.headers)), redirect: init.redirect });
      const answer = answers[url];
      if (answer === undefined) throw new Error(`connect ECONNREFUSED 10.9.8.7 for ${url}`);
      return await Promise.resolve(answer());
    },
  };
}
const redirect =
  (location: string | null, status = 302) =>
  () =>
    new Response("moved", { status, headers: location === null ? {} : { location } });

test("redirects within the public internet are followed to their end", async () => {
  const net = network({
    "https://a.example.com/x": redirect("/y", 301),
    "https://a.example.com/y": redirect("https://b.example.com/z", 307),
    "https://b.example.com/z": () => new Response("here"),
  });
  const got = await fetchPublic("https://a.example.com/x", {}, net.fetch);
  expect(got.ok && (await got.value.response.text())).toBe("here");
  expect(got.ok && got.value.url.href).toBe("https://b.example.com/z");
  expect(net.seen.map(({ redirect: mode }) => mode)).toEqual(["manual", "manual", "manual"]);
});

test.each([
  "https://127.0.0.1/",
  "http://169.254.169.254/latest/meta-data/",
  "https://0x7f.1/",
  "//[::1]/",
  "https://metadata.google.internal/",
  "http://b.example.com/",
  "file:///etc/passwd",
  "https://user:password@b.example.com/",
])("a redirect to %s is refused before anything is sent there", async (location) => {
  const net = network({
    "https://a.example.com/": redirect("https://c.example.com/"),
    "https://c.example.com/": redirect(location),
  });
  const got = await fetchPublic("https://a.example.com/", {}, net.fetch);
  expect(got).toMatchObject({
    ok: false,
    error: { kind: "refused", message: expect.stringMatching(/^The address that it redirects to must /) },
  });
  expect(net.seen).toHaveLength(2);
});

test("an address that is refused is not asked at all", async () => {
  const net = network({});
  expect(await fetchPublic("https://10.0.0.1/", {}, net.fetch)).toMatchObject({
    ok: false,
    error: { kind: "refused" },
  });
  expect(net.seen).toEqual([]);
});

test("a secret goes to the origin that it was meant for and no further", async () => {
  const net = network({
    "https://a.example.com/1": redirect("/2"),
    "https://a.example.com/2": redirect("https://a.example.com:8443/3"),
    "https://a.example.com:8443/3": redirect("https://a.example.com/4"),
    "https://a.example.com/4": () => new Response("here"),
  });
  await fetchPublic(
    "https://a.example.com/1",
    { headers: { Authorization: "Bearer secret", "X-Api-Key": "secret", Accept: "image/png" } },
    net.fetch,
  );
  expect(net.seen.map(({ headers }) => headers)).toEqual([
    { authorization: "Bearer secret", "x-api-key": "secret", accept: "image/png" },
    { authorization: "Bearer secret", "x-api-key": "secret", accept: "image/png" },
    { accept: "image/png" },
    { accept: "image/png" },
  ]);
});

test("a chain of redirects has an end", async () => {
  const ring = network({ "https://a.example.com/": redirect("https://a.example.com/") });
  expect(await fetchPublic("https://a.example.com/", {}, ring.fetch)).toMatchObject({
    ok: false,
    error: { kind: "redirects" },
  });
  expect(ring.seen).toHaveLength(REDIRECTS_MAX + 1);
  const chain = Object.fromEntries(
    Array.from({ length: REDIRECTS_MAX }, (_, at) => [`https://a.example.com/${at}`, redirect(`/${at + 1}`)]),
  );
  const longest = network({ ...chain, [`https://a.example.com/${REDIRECTS_MAX}`]: () => new Response("here") });
  expect(await fetchPublic("https://a.example.com/0", {}, longest.fetch)).toMatchObject({ ok: true });
});

test.each([
  { name: "no Location", location: null },
  { name: "a broken Location", location: "https://[" },
])("a redirect with $name is a fault", async ({ location }) => {
  const net = network({ "https://a.example.com/": redirect(location) });
  expect(await fetchPublic("https://a.example.com/", {}, net.fetch)).toMatchObject({
    ok: false,
    error: { kind: "redirects" },
  });
});

test("what is no redirect is an answer, whatever its status", async () => {
  for (const status of [200, 304, 404, 500]) {
    const net = network({ "https://a.example.com/": () => new Response(null, { status }) });
    const got = await fetchPublic("https://a.example.com/", {}, net.fetch);
    expect(got.ok && got.value.response.status).toBe(status);
  }
});

test("a connection that fails is told without the network's own words", async () => {
  const got = await fetchPublic("https://gone.example.com/path?key=secret", {}, network({}).fetch);
  expect(got).toEqual({ ok: false, error: { kind: "unreachable", message: "gone.example.com could not be reached." } });
});
