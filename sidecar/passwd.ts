/** One line of `/etc/passwd`. */
export type PasswdEntry = { name: string; uid: number; gid: number; home: string; shell: string };

const NUMBER = /^\d{1,10}$/;

/** The greeting shows a name on the user's terminal, and a NUL would end a variable: an app may write anything there. */
const CONTROL = /\p{Cc}/u;

/** The entry of a uid in the text of a passwd file: the first, as in getpwuid(3). Lines that are no entries are skipped. */
export function passwdEntry(text: string, uid: number): PasswdEntry | undefined {
  for (const line of text.split('\n')) {
    if (CONTROL.test(line)) continue;
    const [name, , lineUid, gid, , home, shell] = line.split(':');
    if (name === undefined || name === '' || lineUid === undefined || !NUMBER.test(lineUid)) continue;
    if (Number(lineUid) !== uid || gid === undefined || !NUMBER.test(gid)) continue;
    return { name, uid, gid: Number(gid), home: home ?? '', shell: shell ?? '' };
  }
  return undefined;
}
