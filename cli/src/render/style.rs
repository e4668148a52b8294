//! The style sheet of HTML reports. Colours are told apart by people with any colour vision, on paper and on dark.

pub(crate) const SHEET: &str = r#"
:root {
  color-scheme: light dark;
  --paper: #ffffff; --ink: #1d2330; --muted: #5a6373; --rule: #d9dee7; --panel: #f5f7fa;
  --good: #00664b; --bad: #a8321a; --doubtful: #7a5a00;
  --series-0: #0072b2; --series-1: #d55e00; --series-2: #00805e; --series-3: #a0458c;
  --series-4: #8f6b00; --series-5: #2387ad; --series-6: #5a6373;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171d; --ink: #e6e9ef; --muted: #a3acba; --rule: #343b47; --panel: #1c2129;
    --good: #4fd6a8; --bad: #ff9a80; --doubtful: #f0c94f;
    --series-0: #56b4e9; --series-1: #ff8a3d; --series-2: #2dc79b; --series-3: #e79ac6;
    --series-4: #e3b83a; --series-5: #9adcf5; --series-6: #a3acba;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", "Hiragino Sans", "Noto Sans CJK JP", "Noto Sans", sans-serif; }
main { max-width: 84rem; margin: 0 auto; padding: 1.5rem clamp(1rem, 4vw, 3rem) 4rem; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: .5rem 0 1rem; overflow-wrap: anywhere; }
h2 { font-size: 1.3rem; margin: 2.5rem 0 .75rem; padding-bottom: .3rem; border-bottom: 1px solid var(--rule); }
h3 { font-size: 1.08rem; margin: 1.75rem 0 .5rem; overflow-wrap: anywhere; }
h4 { font-size: .95rem; margin: 1.1rem 0 .4rem; color: var(--muted); }
p, ul { margin: .4rem 0 .8rem; overflow-wrap: anywhere; }
ul { padding-left: 1.3rem; }
dl { margin: .5rem 0 1rem; }
dl div { display: grid; grid-template-columns: minmax(8rem, 13rem) 1fr; gap: .15rem 1rem; padding: .15rem 0; }
dt { color: var(--muted); }
dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 40rem) { dl div { grid-template-columns: 1fr; } }
.scroll { overflow-x: auto; margin: .5rem 0 1.2rem; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { text-align: left; vertical-align: top; padding: .4rem .7rem; border-bottom: 1px solid var(--rule); }
th { color: var(--muted); font-weight: 600; white-space: nowrap; }
td { min-width: 3rem; max-width: 32rem; overflow-wrap: break-word; }
td:first-child { white-space: nowrap; }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
tbody tr:hover { background: var(--panel); }
code { font: .9em/1.5 ui-monospace, SFMono-Regular, Menlo, "DejaVu Sans Mono", monospace; }
pre { background: var(--panel); border: 1px solid var(--rule); border-radius: .4rem; padding: .8rem 1rem; overflow-x: auto; }
.good, .bad, .doubtful { font-weight: 600; }
.good { color: var(--good); }
.bad { color: var(--bad); }
.doubtful { color: var(--doubtful); }
figure { margin: 1.5rem 0; max-width: 60rem; }
figcaption { font-weight: 600; margin-bottom: .4rem; }
svg { display: block; width: 100%; height: auto; color: var(--ink); }
svg text { font-size: 12px; fill: currentColor; }
svg .grid line { stroke: var(--rule); stroke-width: 1; }
svg .ticks line { stroke: var(--muted); stroke-width: 1; }
svg .ticks text { fill: var(--muted); }
svg .base { stroke: currentColor; stroke-width: 1.5; stroke-dasharray: 6 5; opacity: .6; }
svg .series { fill: none; stroke-width: 2; }
svg .front { fill: none; stroke: var(--muted); stroke-width: 1.5; }
@media print { main { max-width: none; padding: 0; } .scroll { overflow: visible; } }
"#;
