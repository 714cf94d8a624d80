import type { Attributes } from './wire.ts';

export type Name = { name: string; longName: string; attributes: Attributes };

/** What a server answers (section 7). */
export type Reply =
  | { type: 'version'; version: number; extensions: Record<string, string> }
  | { type: 'status'; id: number; code: number; message: string }
  | { type: 'handle'; id: number; handle: Buffer }
  | { type: 'data'; id: number; data: Buffer }
  | { type: 'name'; id: number; names: Name[] }
  | { type: 'attributes'; id: number; attributes: Attributes }
  | { type: 'extended'; id: number; numbers: bigint[] };

type Fields = ReturnType<typeof fieldsOf>;

function fieldsOf(bytes: Buffer) {
  let position = 0;
  const take = (length: number): Buffer => {
    if (length > bytes.length - position) throw new Error(`the answer ends too early: ${bytes.toString('hex')}`);
    position += length;
    return bytes.subarray(position - length, position);
  };
  const u32 = (): number => take(4).readUInt32BE();
  return {
    u8: () => take(1).readUInt8(),
    u32,
    u64: () => take(8).readBigUInt64BE(),
    string: () => take(u32()),
    left: () => bytes.length - position,
  };
}

function attributesIn(fields: Fields): Attributes {
  const given = fields.u32();
  return {
    ...(given & 1 ? { size: fields.u64() } : {}),
    ...(given & 2 ? { owner: [fields.u32(), fields.u32()] } : {}),
    ...(given & 4 ? { permissions: fields.u32() } : {}),
    ...(given & 8 ? { times: [fields.u32(), fields.u32()] } : {}),
  };
}

function extensionsIn(fields: Fields): Record<string, string> {
  const extensions: Record<string, string> = {};
  while (fields.left() > 0) extensions[fields.string().toString()] = fields.string().toString();
  return extensions;
}

function nameIn(fields: Fields): Name {
  return {
    name: fields.string().toString(),
    longName: fields.string().toString(),
    attributes: attributesIn(fields),
  };
}

function replyIn(fields: Fields): Reply {
  const type = fields.u8();
  if (type === 2) return { type: 'version', version: fields.u32(), extensions: extensionsIn(fields) };
  const id = fields.u32();
  if (type === 101) {
    const reply = { type: 'status', id, code: fields.u32(), message: fields.string().toString() } as const;
    fields.string();
    return reply;
  }
  if (type === 102) return { type: 'handle', id, handle: fields.string() };
  if (type === 103) return { type: 'data', id, data: fields.string() };
  if (type === 104) return { type: 'name', id, names: Array.from({ length: fields.u32() }, () => nameIn(fields)) };
  if (type === 105) return { type: 'attributes', id, attributes: attributesIn(fields) };
  if (type === 201)
    return { type: 'extended', id, numbers: Array.from({ length: fields.left() / 8 }, () => fields.u64()) };
  throw new Error(`an answer of unknown type ${type}`);
}

/** Parses one answer, without its length, and insists that it holds nothing else. */
export function parseReply(bytes: Buffer): Reply {
  const fields = fieldsOf(bytes);
  const reply = replyIn(fields);
  if (fields.left() > 0) throw new Error(`${fields.left()} bytes after the answer ${JSON.stringify(reply)}`);
  return reply;
}

/** The answers in a server's output, one by one. */
export async function* repliesIn(output: AsyncIterable<Buffer>): AsyncGenerator<Reply, undefined> {
  let pending = Buffer.alloc(0);
  for await (const chunk of output) {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 4 && pending.length >= 4 + pending.readUInt32BE()) {
      const end = 4 + pending.readUInt32BE();
      yield parseReply(pending.subarray(4, end));
      pending = pending.subarray(end);
    }
  }
  if (pending.length > 0) throw new Error(`the output ends inside an answer: ${pending.toString('hex')}`);
  return undefined;
}
