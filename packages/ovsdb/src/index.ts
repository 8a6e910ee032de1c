export { type ExecuteResult, execute } from './engine/execute.ts';
export { Tables } from './engine/table.ts';
export { applyChanges } from './engine/transaction.ts';
export {
  decodeClusterLog,
  decodeLog,
  encodeRecord,
  identifyLog,
  type LogKind,
} from './file/format.ts';
export { LogFile, lockFile, readLog, writeNewLog } from './file/log.ts';
export { applyRecord, changesToRecord, checkReferences, snapshotRecord } from './file/record.ts';
export { Idl, type IdlOptions, type IdlRow, type RowEvent } from './idl/idl.ts';
export { RpcConnection, RpcError } from './idl/rpc.ts';
export type { CommitResult, IdlTxn } from './idl/txn.ts';
export { NewRow } from './idl/values.ts';
export * from './notation/index.ts';
export * from './schema/schema.ts';
export type { RowOf, SchemaConstant, TableName, ValueOf } from './schema/typed.ts';
export { serverSchema } from './schemas/server.ts';
export { vswitchSchema } from './schemas/vswitch.ts';
export { convertTables } from './server/convert.ts';
export { type Commit, Database } from './server/database.ts';
export { ExcludedTables } from './server/excluded-tables.ts';
export { guardFor } from './server/rbac.ts';
export { rehearse } from './server/rehearsal.ts';
export type { RemoteOptions } from './server/remote.ts';
export { Replication } from './server/replication.ts';
export { OvsdbServer } from './server/server.ts';
