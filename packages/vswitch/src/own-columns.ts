/** Which columns of the database the switch itself writes. */
const OWN_COLUMNS = new Set([
  'cur_cfg',
  'ovs_version',
  'db_version',
  'system_type',
  'system_version',
  'datapath_types',
  'iface_types',
  'dpdk_initialized',
  'dpdk_version',
  'datapath_id',
  'datapath_version',
  'capabilities',
  'ofport',
  'error',
  'ifindex',
  'mac_in_use',
  'mtu',
  'admin_state',
  'link_state',
  'link_speed',
  'duplex',
  'link_resets',
  'status',
  'statistics',
  'rstp_status',
  'rstp_statistics',
  'bond_active_slave',
  'bfd_status',
  'cfm_fault',
  'cfm_fault_status',
  'cfm_flap_count',
  'cfm_health',
  'cfm_remote_mpids',
  'cfm_remote_opstate',
  'is_connected',
  'role',
]);

const OWN_TABLES = new Set([
  'Open_vSwitch',
  'Bridge',
  'Port',
  'Interface',
  'Controller',
  'Datapath',
]);

/** Whether only columns changed that the switch itself writes. */
export function isOwnWriteBack(event: {
  table: string;
  old: Record<string, unknown> | undefined;
  now: Record<string, unknown> | undefined;
}): boolean {
  const { old, now } = event;
  if (!old || !now) return false;
  if (!OWN_TABLES.has(event.table)) return false;
  return Object.keys(now).every(
    (column) => OWN_COLUMNS.has(column) || sameValue(old[column], now[column]),
  );
}

function sameValue(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (a instanceof Map && b instanceof Map)
    return a.size === b.size && [...a].every(([k, v]) => b.get(k) === v);
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((x, i) => x === b[i]);
  return false;
}
