/** Names the role in the environment of a process that a daemon's start-up has started. */
export const ROLE = 'HEDDLE_DAEMON_ROLE';
export type Role = 'monitor' | 'daemon';
