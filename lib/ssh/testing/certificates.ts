import { Certificate } from '../keys/certificate.ts';
import type { PrivateKey } from '../keys/private-key.ts';
import type { PublicKey } from '../keys/public-key.ts';
import { Reader, Writer } from '../wire.ts';

/** Every part of a certificate (OpenSSH PROTOCOL.certkeys), right or wrong. */
export type CertificateParts = {
  key: PublicKey;
  authority: PrivateKey;
  type: number;
  serial: bigint;
  keyId: string;
  principals: readonly string[];
  /** Seconds since the epoch. */
  validAfter: bigint;
  validBefore: bigint;
  critical: readonly (readonly [name: string, data: Buffer])[];
  extensions: readonly (readonly [name: string, data: Buffer])[];
  /** In place of the authority's public key. */
  signatureKey: Buffer;
  /** In place of the signature over what stands before it. */
  sign: (signed: Buffer) => Buffer;
};

export const EVERYTHING = ['X11', 'agent', 'port'].map((what) => `permit-${what}-forwarding`).concat('permit-pty');
const EMPTY = Buffer.alloc(0);
export const FOREVER = 0xffff_ffff_ffff_ffffn;

export const flag = (name: string): readonly [string, Buffer] => [name, EMPTY];
export const option = (name: string, value: string): readonly [string, Buffer] => [
  name,
  new Writer().string(value).bytes(),
];

/** The blob of a certificate, as ssh-keygen -s would make it but for what is given. */
export function makeCertificate(
  parts: Pick<CertificateParts, 'key' | 'authority'> & Partial<CertificateParts>,
): Buffer {
  const { key, authority, principals = ['acme'], critical = [] } = parts;
  const { extensions = EVERYTHING.map((name) => flag(name)) } = parts;
  const fields = new Reader(key.blob);
  const type = fields.name();
  const pack = (strings: readonly string[]): Buffer =>
    strings.reduce((writer, text) => writer.string(text), new Writer()).bytes();
  const pairs = (all: CertificateParts['critical']): Buffer =>
    all.reduce((writer, [name, data]) => writer.string(name).string(data), new Writer()).bytes();
  const signed = new Writer()
    .string(`${type.replace('@openssh.com', '')}-cert-v01@openssh.com`)
    .string(Buffer.alloc(32, 7))
    .raw(fields.rest())
    .uint64(parts.serial ?? 42n)
    .uint32(parts.type ?? 1)
    .string(parts.keyId ?? 'alice of acme')
    .string(pack(principals))
    .uint64(parts.validAfter ?? 0n)
    .uint64(parts.validBefore ?? FOREVER)
    .string(pairs(critical))
    .string(pairs(extensions))
    .string('')
    .string(parts.signatureKey ?? authority.publicKey.blob)
    .bytes();
  const [algorithm = ''] = authority.publicKey.signatureAlgorithms;
  const sign = parts.sign ?? ((bytes: Buffer) => authority.sign(algorithm, bytes));
  return new Writer().raw(signed).string(sign(signed)).bytes();
}

/** The blob in the line of a `-cert.pub` file. */
export function certificateOfLine(line: string): Certificate {
  return Certificate.fromBlob(Buffer.from(line.split(' ')[1] ?? '', 'base64'));
}
