import { SshError } from '../errors.ts';
import { MSG } from '../numbers.ts';
import { certificateAlgorithms } from '../keys/key-types.ts';
import { Reader, Writer } from '../wire.ts';
import { USER_SIGNATURE_ALGORITHMS } from './algorithms.ts';

const MAX_EXTENSIONS = 32;

/** RFC 8308 §2.3, with the one extension we have to tell: which signatures users may make. */
export function writeExtInfo(userCertificates: boolean): Buffer {
  const certificates = userCertificates ? certificateAlgorithms(USER_SIGNATURE_ALGORITHMS).keys() : [];
  return new Writer()
    .byte(MSG.EXT_INFO)
    .uint32(1)
    .string('server-sig-algs')
    .nameList([...USER_SIGNATURE_ALGORITHMS, ...certificates])
    .bytes();
}

/** Returns server-sig-algs, if it is there. Unknown extensions are ignored (RFC 8308 §2.5); values are opaque bytes. */
export function readExtInfo(payload: Buffer): readonly string[] | undefined {
  const reader = new Reader(payload, 1);
  const count = reader.uint32();
  if (count > MAX_EXTENSIONS) throw new SshError('protocol', 'the peer sent too many extensions');
  let signatureAlgorithms: readonly string[] | undefined;
  for (let index = 0; index < count; index++) {
    const name = reader.string().toString('latin1');
    const value = reader.string();
    if (name === 'server-sig-algs') signatureAlgorithms = value.toString('latin1').split(',');
  }
  reader.end();
  return signatureAlgorithms;
}
