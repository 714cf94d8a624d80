/** Which release this program is of: `npm run build` writes it into the bundle. Sources that run as they are have none. */
export const VERSION = process.env['SSHACCESS_VERSION'] ?? 'unbuilt';
