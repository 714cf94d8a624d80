export * from './identity-assertion.ts';
export * from './injection-record.ts';
export * from './names.ts';
export * from './policy-bounds.ts';
export * from './secret-contract.ts';
export * from './session-policy.ts';
export * from './ssh-access.ts';
export * from './usernames.ts';
