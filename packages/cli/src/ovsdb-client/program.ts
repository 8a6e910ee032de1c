export const PROGRAM = 'ovsdb-client';
