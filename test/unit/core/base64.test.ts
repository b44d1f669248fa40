/** Base64 by pieces equals base64 of the whole, for every cut. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { base64Length, createBase64Encoder } from "../../../src/core/base64.ts";

const ascii = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

test.each(["", "f", "fo", "foo", "foob", "fooba", "foobar"])("RFC 4648: %j", (text) => {
  const encoder = createBase64Encoder();
  expect(ascii(encoder.feed(Buffer.from(text))) + ascii(encoder.end())).toBe(Buffer.from(text).toString("base64"));
});

test("any bytes in any pieces", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 8 }), (pieces) => {
      const encoder = createBase64Encoder();
      const text = pieces.map((piece) => ascii(encoder.feed(piece))).join("") + ascii(encoder.end());
      const whole = Buffer.concat(pieces);
      expect(text).toBe(whole.toString("base64"));
      expect(text.length).toBe(base64Length(whole.length));
    }),
  );
});
