export const PROGRAM = 'ovs-vsctl';
