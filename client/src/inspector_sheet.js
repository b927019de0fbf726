// How the inspector looks.

export const SHEET = `
:host { all: initial; }
section {
  --back: #ffffff; --text: #1b1f24; --soft: #57606a; --line: #d0d7de; --head: #f3f5f8;
  --in: #0a5fb4; --out: #7a3e00; --bad: #b3261e; --focus: #0a5fb4;
  position: fixed; inset: auto 0 0 0; z-index: 2147483647; height: 42vh; min-height: 180px;
  display: flex; flex-direction: column; box-sizing: border-box;
  background: var(--back); color: var(--text); border-top: 1px solid var(--line);
  box-shadow: 0 -6px 24px rgb(0 0 0 / 18%); font: 13px/1.5 system-ui, sans-serif; color-scheme: light dark;
}
@media (prefers-color-scheme: dark) {
  section {
    --back: #14181d; --text: #e6eaef; --soft: #9aa6b2; --line: #333b45; --head: #1d232a;
    --in: #6cb6ff; --out: #f0b072; --bad: #ff8a80; --focus: #6cb6ff;
  }
}
header {
  display: flex; flex-wrap: wrap; gap: 6px 12px; align-items: center; padding: 7px 12px;
  background: var(--head); border-bottom: 1px solid var(--line);
}
.state { padding: 0 9px; border: 1px solid var(--line); border-radius: 9px; }
.state[data-state="waiting"], .state[data-state="disconnected"] { color: var(--bad); }
.count { color: var(--soft); margin-right: auto; font-variant-numeric: tabular-nums; }
input, button {
  font: inherit; color: inherit; background: var(--back); border: 1px solid var(--line); border-radius: 6px;
  padding: 2px 10px; min-height: 28px; box-sizing: border-box;
}
input { flex: 0 1 180px; min-width: 90px; }
button { cursor: pointer; }
button:hover { border-color: var(--soft); }
:focus-visible { outline: 2px solid var(--focus); outline-offset: 1px; }
ol { flex: 1; margin: 0; padding: 0; overflow: auto; list-style: none; overscroll-behavior: contain; }
li { border-bottom: 1px solid var(--line); }
summary {
  display: grid; grid-template-columns: 7.5em 5em 8em minmax(8em, 14em) 5em 5em 1fr; gap: 10px;
  padding: 3px 12px; cursor: pointer; list-style: none; white-space: nowrap; align-items: baseline;
}
summary::-webkit-details-marker { display: none; }
summary:hover { background: var(--head); }
summary > * { overflow: hidden; text-overflow: ellipsis; }
time, .bytes, .took { font-variant-numeric: tabular-nums; }
time, .transport, .bytes, .took { color: var(--soft); }
.bytes, .took { text-align: right; }
b { font-weight: 600; }
.in { color: var(--in); }
.out { color: var(--out); }
.refused .channel, .refused code { color: var(--bad); }
code, pre { font: 12px/1.5 ui-monospace, monospace; }
pre { margin: 0; padding: 6px 12px 10px 28px; white-space: pre-wrap; overflow-wrap: anywhere; background: var(--head); }
[hidden] { display: none; }
@media (max-width: 700px) {
  section { height: 55vh; }
  header { gap: 6px; }
  .count { flex: 1 0 auto; }
  input { flex: 1 1 90px; }
  summary { grid-template-columns: auto 5em 1fr auto auto; gap: 0 8px; }
  summary .transport { display: none; }
  summary code { grid-column: 1 / -1; }
}
`;
