// Keeps one process running: restarts it with exponential backoff, knows when it is ready, stops it within a time limit.
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { removePidFile, writePidFile } from '../host/processes.mjs';
import { StartError } from './names.mjs';

/**
 * @typedef {object} Definition
 * @property {string} name of the pid file and in the log
 * @property {NodeJS.Signals} stopSignal
 * @property {() => import('node:child_process').ChildProcess} start
 * @property {(child: import('node:child_process').ChildProcess) => Promise<boolean>} [isReady] polled; without it the process
 *   says so itself with `process.send({ ready: true })`; one that has a setting it cannot use says `{ refused: 'why' }`
 * @property {RegExp} [routine] lines that are kept out of the log
 *
 * @typedef {object} Backoff times in milliseconds
 * @property {number} first the pause after the first failure; doubles from there
 * @property {number} longest
 * @property {number} healthyAfter a process that has been ready for so long counts as healthy: the next pause is `first` again
 */

/** @type {Backoff} */
export const BACKOFF = { first: 100, longest: 10_000, healthyAfter: 10_000 };

/** A process that ends so often without having been ready once will not become so by itself. */
const HOPELESS_AFTER = 5;

export class Supervised {
  restarts = 0;
  #definition;
  #pidDirectory;
  #log;
  #backoff;
  #child;
  /** Processes that `replace` has put another in the place of. */
  #leaving = new Set();
  #ready = false;
  #everReady = false;
  #failures = 0;
  #refused;
  #stopping = false;
  #restartTimer;
  #healthyTimer;
  #waiting = new Set();

  /**
   * @param {Definition} definition
   * @param {{pidDirectory: string, log: (name: string, line: string) => void, backoff?: Backoff}} options
   */
  constructor(definition, { pidDirectory, log, backoff = BACKOFF }) {
    this.#definition = definition;
    this.#pidDirectory = pidDirectory;
    this.#log = log;
    this.#backoff = backoff;
  }

  get name() {
    return this.#definition.name;
  }

  /** Of the running process, ready or not; undefined between two. */
  get pid() {
    return this.#child?.pid;
  }

  start() {
    const child = this.#definition.start();
    this.#child = child;
    this.#ready = false;
    this.#refused = undefined;
    let ended = false;
    const onEnd = (how) => {
      if (ended) return;
      ended = true;
      if (this.#child === child) this.#ended(how);
      else this.#left(child);
    };
    child.once('error', (error) => onEnd(error.message));
    child.once('exit', (code, signal) => onEnd(signal ?? `exit code ${code}`));
    if (child.pid === undefined) return;
    writePidFile(this.#pidDirectory, this.name, child.pid);
    for (const stream of [child.stdout, child.stderr]) {
      if (stream) createInterface(stream).on('line', (line) => this.#logLine(line));
    }
    if (this.#definition.isReady) void this.#pollReadiness(child);
    else {
      child.on('message', (message) => {
        if (message?.ready === true) this.#becameReady(child);
        if (message?.refused) this.#refused = message.refused;
      });
    }
  }

  /**
   * Waits for a ready process.
   * @param {{notPid?: number, limit?: number}} [options] `notPid`: another process than this one, that is after a restart;
   *   `limit`: milliseconds
   * @returns {Promise<number>} its pid
   */
  ready({ notPid, limit = 180_000 } = {}) {
    if (this.#ready && this.pid !== notPid) return Promise.resolve(this.pid);
    return new Promise((resolve, reject) => {
      const waiter = { notPid, resolve, reject };
      const timer = setTimeout(
        () => this.#reject(waiter, `${this.name} was not ready within ${limit / 1000} s: see its log`),
        limit,
      );
      waiter.timer = timer;
      this.#waiting.add(waiter);
    });
  }

  /**
   * Signals the running process; it is restarted when it ends.
   * @param {NodeJS.Signals} [signal]
   * @returns {number | undefined} the pid that was signalled, for `ready({ notPid })`
   */
  kill(signal = 'SIGKILL') {
    const { pid } = this;
    this.#ready = false;
    this.#child?.kill(signal);
    return pid;
  }

  /**
   * Starts another process beside the running one. When it is ready, the old one is told `{ leave: true }` and has all the time it
   * takes. Until then the old one stays in charge.
   */
  async replace() {
    const old = this.#child;
    if (old?.pid === undefined) return this.ready();
    this.#leaving.add(old);
    writePidFile(this.#pidDirectory, this.#leaverName(old), old.pid);
    this.start();
    await this.ready({ notPid: old.pid });
    if (old.connected) old.send({ leave: true });
    return this.pid;
  }

  /**
   * Stops the process, and those that are leaving, and does not restart it.
   * @param {number} [limit] milliseconds until SIGKILL
   */
  async stop(limit = 10_000) {
    this.#stopping = true;
    clearTimeout(this.#restartTimer);
    for (const waiter of this.#waiting) this.#reject(waiter, `${this.name} was stopped`);
    await Promise.all(
      [...this.#leaving, ...(this.#child ? [this.#child] : [])].map((child) => this.#stop(child, limit)),
    );
  }

  async #stop(child, limit) {
    await new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#log(this.name, `did not stop within ${limit / 1000} s: killed`);
        child.kill('SIGKILL');
      }, limit);
      const gone = () => {
        clearTimeout(timer);
        resolve(undefined);
      };
      child.once('exit', gone);
      child.once('error', gone);
      child.kill(this.#definition.stopSignal);
    });
  }

  async #pollReadiness(child) {
    while (this.#child === child) {
      if (await this.#definition.isReady?.(child)) return this.#becameReady(child);
      await sleep(10);
    }
  }

  #becameReady(child) {
    if (this.#child !== child || this.#ready) return;
    this.#ready = true;
    this.#everReady = true;
    this.#healthyTimer = setTimeout(() => (this.#failures = 0), this.#backoff.healthyAfter).unref();
    for (const waiter of this.#waiting) {
      if (waiter.notPid === child.pid) continue;
      this.#forget(waiter);
      waiter.resolve(child.pid);
    }
  }

  #ended(how) {
    this.#child = undefined;
    this.#ready = false;
    clearTimeout(this.#healthyTimer);
    removePidFile(this.#pidDirectory, this.name);
    if (this.#stopping) return;
    const pause = Math.min(this.#backoff.first * 2 ** this.#failures, this.#backoff.longest);
    this.#failures += 1;
    if (this.#refused || (!this.#everReady && this.#failures === HOPELESS_AFTER)) {
      const reason = this.#refused ?? `${this.name} ends at start (${how}): see its log`;
      for (const waiter of this.#waiting) this.#reject(waiter, reason);
    }
    this.#log(this.name, `ended (${how}), starts again in ${pause} ms`);
    this.#restartTimer = setTimeout(() => {
      this.restarts += 1;
      this.start();
    }, pause);
  }

  #left(child) {
    this.#leaving.delete(child);
    removePidFile(this.#pidDirectory, this.#leaverName(child));
  }

  #leaverName = (child) => `${this.name}-${child.pid}`;

  #logLine(line) {
    if (!this.#definition.routine?.test(line)) this.#log(this.name, line);
  }

  #forget(waiter) {
    clearTimeout(waiter.timer);
    this.#waiting.delete(waiter);
  }

  #reject(waiter, message) {
    this.#forget(waiter);
    waiter.reject(new StartError(message));
  }
}
