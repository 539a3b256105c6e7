// A certificate of one's own for TLS, when no other is given: X.509 version 3, P-256, for the names and addresses asked for (RFC 5280). Clients
// must be told to trust it by its fingerprint.
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { isIP } from 'node:net';

const VALID_DAYS = 3650;

/** Object identifiers, as DER. */
const OID = {
  commonName: '0603550403',
  ecdsaWithSha256: '06082a8648ce3d040302',
  subjectAltName: '0603551d11',
  basicConstraints: '0603551d13',
} as const;

/** @param names DNS names and IP addresses; the first is the subject */
export function makeSelfSigned(names: readonly string[], nowMs: number = Date.now()): { readonly cert: string; readonly key: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = sequence(Buffer.from(OID.ecdsaWithSha256, 'hex'));
  const name = sequence(tagged(0x31, sequence(Buffer.from(OID.commonName, 'hex'), tagged(0x0c, Buffer.from(names[0]!)))));
  const serial = randomBytes(16);
  // Positive and without a leading zero byte.
  serial[0] = (serial[0]! & 0x7f) | 0x40;
  const alternatives = sequence(
    ...names.map((one) => (isIP(one) === 0 ? tagged(0x82, Buffer.from(one)) : tagged(0x87, addressBytes(one)))),
  );
  const extensions = sequence(
    sequence(Buffer.from(OID.subjectAltName, 'hex'), tagged(0x04, alternatives)),
    sequence(Buffer.from(OID.basicConstraints, 'hex'), tagged(0x01, Buffer.from([0xff])), tagged(0x04, sequence())),
  );
  const body = sequence(
    tagged(0xa0, tagged(0x02, Buffer.from([2]))),
    tagged(0x02, serial),
    algorithm,
    name,
    sequence(time(nowMs - 3600_000), time(nowMs + VALID_DAYS * 86_400_000)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    tagged(0xa3, extensions),
  );
  const signature = sign('sha256', body, privateKey);
  const certificate = sequence(body, algorithm, tagged(0x03, Buffer.concat([Buffer.from([0]), signature])));
  return { cert: pem(certificate), key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string };
}

/** "AB:CD:...", as clients show it. */
export function fingerprint(cert: string): string {
  const der = Buffer.from(cert.replace(/-----[A-Z ]+-----|\s/g, ''), 'base64');
  return createHash('sha256').update(der).digest('hex').toUpperCase().match(/../g)!.join(':');
}

function pem(der: Buffer): string {
  return `-----BEGIN CERTIFICATE-----\n${der
    .toString('base64')
    .match(/.{1,64}/g)!
    .join('\n')}\n-----END CERTIFICATE-----\n`;
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tagged(0x30, Buffer.concat(parts));
}

function tagged(tag: number, content: Buffer): Buffer {
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content]);
  const hex = length.toString(16);
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex');
  return Buffer.concat([Buffer.from([tag, 0x80 | bytes.length]), bytes, content]);
}

/** UTCTime until 2049, GeneralizedTime after it. */
function time(ms: number): Buffer {
  const digits = `${new Date(ms).toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`;
  return new Date(ms).getUTCFullYear() < 2050 ? tagged(0x17, Buffer.from(digits.slice(2))) : tagged(0x18, Buffer.from(digits));
}

function addressBytes(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split('.').map(Number));
  const [head, tail] = address.split('::') as [string, string | undefined];
  const groups = (text: string | undefined) => (text === undefined || text === '' ? [] : text.split(':'));
  const [before, after] = [groups(head), groups(tail)];
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0');
  return Buffer.from([...before, ...zeros, ...after].map((group) => group.padStart(4, '0')).join(''), 'hex');
}
