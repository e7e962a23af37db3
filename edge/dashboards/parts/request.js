// A button was pressed: ask that bin. It does nothing that is older than ttl_s, and nothing twice.
const { bin, cmd, ...given } = msg.payload;
const request = { id: `node-red-${RED.util.generateId()}`, ts: new Date().toISOString(), ttl_s: 20, ...given };
return { topic: `smartbin/${bin}/request/${cmd}`, payload: request, qos: 1, retain: false };
