// Timers that go on in background tabs, and know when they slept.
//
// Browsers let the timers of a hidden page run once a second, and after five minutes once a minute; those of a worker
// are not slowed. So each timer is set twice, in the page and in a small worker, and the first to ring wins. Where a
// content security policy forbids workers from blobs (`worker-src blob:`), the page's own timers remain: a healthy
// connection does not notice, because its answers come by themselves, and a lost one is found up to a minute later.

/**
 * @typedef {object} Clock
 * @property {() => number} now milliseconds that only grow, whatever the wall clock does
 * @property {(run: () => void, ms: number) => any} setTimeout
 * @property {(handle: any) => void} clearTimeout
 */

/** @typedef {{ id: number, at: number, native: any, run: (late: number) => void }} Timer */

/** Longer waits overflow the 32 bits of setTimeout and would ring at once. */
const LONGEST_MS = 2 ** 31 - 1;

const WORKER = `const t = {};
onmessage = ({ data: [id, ms] }) => {
  clearTimeout(t[id]); delete t[id];
  if (ms >= 0) t[id] = setTimeout(() => { delete t[id]; postMessage(id); }, ms);
};`;

/** @type {Clock} */
export const pageClock = {
  now: () => performance.now(),
  setTimeout: (run, ms) => setTimeout(run, ms),
  clearTimeout: (handle) => clearTimeout(handle),
};

export class Timers {
  #clock;
  #makeWorker;
  /** @type {Worker | undefined} */
  #worker;
  /** @type {Map<number, Timer>} */
  #timers = new Map();
  #last = 0;

  /**
   * @param {Clock} clock
   * @param {typeof Worker} [WorkerClass] absent where there is no page that could be hidden
   */
  constructor(clock, WorkerClass) {
    this.#clock = clock;
    this.#makeWorker = WorkerClass && (() => spawn(WorkerClass));
  }

  /** Milliseconds on a clock that only grows. */
  now() {
    return this.#clock.now();
  }

  /** How many are set. */
  get size() {
    return this.#timers.size;
  }

  /**
   * Calls `run` once, `ms` from now, with how many milliseconds late that is.
   * @param {number} ms
   * @param {(late: number) => void} run
   * @returns {Timer}
   */
  set(ms, run) {
    const wait = Math.min(Math.max(ms, 0), LONGEST_MS);
    const id = ++this.#last;
    /** @type {Timer} */
    const timer = { id, at: this.now() + wait, native: undefined, run };
    timer.native = this.#clock.setTimeout(() => this.#ring(id), wait);
    this.#timers.set(id, timer);
    this.#tell(id, wait);
    return timer;
  }

  /** @param {Timer | undefined} timer */
  clear(timer) {
    if (!timer || !this.#timers.delete(timer.id)) return;
    this.#clock.clearTimeout(timer.native);
    this.#worker?.postMessage([timer.id, -1]);
  }

  /** Rings what is overdue: after a sleep the timers themselves may come much later than the page. */
  check() {
    const now = this.now();
    for (const timer of [...this.#timers.values()]) {
      if (timer.at <= now) this.#ring(timer.id);
    }
  }

  /** Clears all, and ends the worker. */
  stop() {
    for (const timer of [...this.#timers.values()]) this.clear(timer);
    this.#worker?.terminate();
    this.#worker = undefined;
  }

  /** @param {number} id */
  #ring(id) {
    const timer = this.#timers.get(id);
    if (!timer) return;
    this.clear(timer);
    timer.run(Math.max(0, this.now() - timer.at));
  }

  /**
   * @param {number} id
   * @param {number} ms
   */
  #tell(id, ms) {
    if (!this.#makeWorker) return;
    if (!this.#worker) {
      this.#worker = this.#makeWorker();
      if (!this.#worker) {
        this.#makeWorker = undefined;
        return;
      }
      this.#worker.onmessage = ({ data }) => this.#ring(data);
      this.#worker.onerror = (event) => {
        event.preventDefault?.();
        this.#worker?.terminate();
        this.#worker = this.#makeWorker = undefined;
      };
    }
    this.#worker.postMessage([id, ms]);
  }
}

/**
 * @param {typeof Worker} WorkerClass
 * @returns {Worker | undefined}
 */
function spawn(WorkerClass) {
  let url;
  try {
    url = URL.createObjectURL(new Blob([WORKER], { type: "text/javascript" }));
    return new WorkerClass(url);
  } catch {
    return undefined;
  } finally {
    // The worker has its own hold on it; without this each client of a page would leave a blob behind.
    if (url) URL.revokeObjectURL(url);
  }
}
