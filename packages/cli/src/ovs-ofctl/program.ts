export const PROGRAM = 'ovs-ofctl';
