// Once a second: what the page shows, the bins that need somebody first.
const FULL_PERCENT = 90;

function contamination(bins) {
  // Expected share of wrong items, without the residual compartments, by the calibrated probabilities of the bins.
  let items = 0, wrong = 0;
  for (const bin of bins) {
    for (const [name, c] of Object.entries(bin.compartments)) {
      if (name === bin.residual || c.purity === undefined || !c.count) continue;
      items += c.count;
      wrong += c.count * (1 - c.purity / 100);
    }
  }
  return items ? 100 * wrong / items : null;
}

const bins = Object.values(flow.get('fleet') || {}).map((bin) => {
  const state = bin.state || {};
  const faults = Object.entries(bin.alerts).map(([code, alert]) => ({ code, ...alert }));
  const levels = Object.values(bin.compartments).map((c) => c.fill).filter((fill) => fill !== undefined);
  const row = {
    name: bin.name,
    site: state.site || '–',
    online: bin.online === true,
    phase: state.phase || '–',
    mode: state.mode || '–',
    residual: state.residual,
    faults,
    full: 'compartment_full' in bin.alerts || levels.some((fill) => fill >= FULL_PERCENT),
    compartments: bin.compartments,
    items: Object.values(bin.compartments).reduce((sum, c) => sum + (c.count || 0), 0),
    last: bin.last ? { label: bin.last.decision.label, p: bin.last.top3[0].p, ts: bin.last.ts } : null,
    answer: bin.answer || null,
  };
  row.contamination = contamination([row]);
  return row;
});
bins.sort((a, b) => (b.faults.length - a.faults.length) || (a.online - b.online) || a.name.localeCompare(b.name));

const sites = [...new Set(bins.map((bin) => bin.site))].sort().map((site) => {
  const here = bins.filter((bin) => bin.site === site);
  return {
    site,
    bins: here.length,
    offline: here.filter((bin) => !bin.online).length,
    faulty: here.filter((bin) => bin.faults.length).length,
    full: here.filter((bin) => bin.full).length,
    items: here.reduce((sum, bin) => sum + bin.items, 0),
    contamination: contamination(here),
  };
});
return { payload: { bins, sites } };
