import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { buildServer } from './build-server.ts';
import { unprivileged } from './folder.ts';
import { parseReply, type Reply } from './replies.ts';
import { string } from './wire.ts';

const sanitized = await buildServer('sanitized');
const MAX_OUTPUT = 1024 * 1024 * 1024;

/** Every answer in an output that must hold nothing else. */
function parseAll(output: Buffer): Reply[] {
  const replies: Reply[] = [];
  for (let rest = output; rest.length > 0;) {
    const end = 4 + rest.readUInt32BE();
    replies.push(parseReply(rest.subarray(4, end)));
    rest = rest.subarray(end);
  }
  return replies;
}

/**
 * Serves sessions one after the other, each from all the bytes that its client sends, in one process that starts in
 * `folder` and may do no more than its owner. Throws if the sanitizers report anything.
 */
export async function serveMany(folder: string, sessions: readonly Buffer[], options: readonly string[] = []) {
  const file = join(folder, '.sessions');
  await writeFile(file, Buffer.concat(sessions.map(string)));
  const { stdout, stderr } = await promisify(execFile)(sanitized, [...options, '--many', file], {
    cwd: folder,
    env: { HOME: folder },
    encoding: 'buffer',
    maxBuffer: MAX_OUTPUT,
    ...unprivileged,
  });
  return { replies: parseAll(stdout), complaints: stderr.toString().split('\n').slice(0, -1) };
}
