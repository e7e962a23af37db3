// Every message of every bin: the newest of each kind is kept in the flow's memory, under the bin's name.
const fleet = flow.get('fleet') || {};
const [, name, ...rest] = msg.topic.split('/');
const bin = fleet[name] = fleet[name] || { name, compartments: {}, alerts: {} };
const text = String(msg.payload);
try {
  if (rest[0] === 'compartment') {
    const compartment = bin.compartments[rest[1]] = bin.compartments[rest[1]] || {};
    compartment[rest[2]] = Number(text);
  } else if (rest[0] === 'alert') {
    if (text === '') delete bin.alerts[rest[1]];
    else bin.alerts[rest[1]] = JSON.parse(text);
  } else if (rest[0] === 'availability') {
    bin.online = text === 'online';
  } else if (rest[0] === 'state') {
    bin.state = JSON.parse(text);
  } else if (rest.join('/') === 'classification/last') {
    bin.last = JSON.parse(text);
  } else if (rest[0] === 'response') {
    bin.answer = { cmd: rest[1], ...JSON.parse(text) };
  }
} catch (error) {
  node.warn(`${msg.topic}: ${error.message}`);
}
flow.set('fleet', fleet);
return null;
