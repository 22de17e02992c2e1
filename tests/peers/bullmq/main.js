// BullMQ: enqueue N | work SLOTS N | lat SLOTS N | feed RATE SECS; `driver.rs` tells what they do.
const { Queue, Worker } = require('bullmq');

const connection = { host: '127.0.0.1', port: Number(process.env.PEER_REDIS_PORT ?? 6379), maxRetriesPerRequest: null };
const NAME = 'jobs';
const BULK = 1000;
const STANDSTILL_MS = 10000;

const now = () => (performance.timeOrigin + performance.now()) / 1000;
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const tell = (line) => new Promise((done) => process.stdout.write(`${line}\n`, done));
const job = (sent) => ({ name: 'noop', data: { sent, text: 'x'.repeat(60) }, opts: { removeOnComplete: true, removeOnFail: true } });

async function enqueue(jobs) {
  const queue = new Queue(NAME, { connection });
  await queue.waitUntilReady();
  const all = Array.from({ length: jobs }, () => job(0));
  const began = now();
  for (let at = 0; at < jobs; at += BULK) await queue.addBulk(all.slice(at, at + BULK));
  await tell(`RESULT ${JSON.stringify({ n: jobs, secs: now() - began })}`);
}

async function feed(rate, seconds) {
  const queue = new Queue(NAME, { connection });
  await queue.waitUntilReady();
  const jobs = Math.round(rate * seconds);
  const began = now();
  for (let sent = 0; sent < jobs; sent++) {
    await pause(Math.max(0, (began + sent / rate - now()) * 1000));
    const { name, data, opts } = job(now());
    await queue.add(name, data, opts);
  }
  await tell(`RESULT ${JSON.stringify({ n: jobs, secs: now() - began })}`);
}

async function work(slots, jobs) {
  const waits = [];
  const result = { n: 0, first: 0, last: 0 };
  const run = async ({ data }) => {
    result.last = now();
    if (result.n === 0) result.first = result.last;
    result.n += 1;
    if (data.sent > 0) waits.push((result.last - data.sent) * 1000);
  };
  const worker = new Worker(NAME, run, { connection, concurrency: slots });
  await worker.waitUntilReady();
  await tell('READY');
  while (result.n < jobs && (result.n === 0 || (now() - result.last) * 1000 < STANDSTILL_MS)) await pause(50);
  waits.sort((a, b) => a - b);
  for (const [name, share] of [['p50', 0.5], ['p95', 0.95], ['p99', 0.99]]) {
    if (waits.length > 0) result[name] = waits[Math.min(waits.length - 1, Math.floor(share * waits.length))];
  }
  await tell(`RESULT ${JSON.stringify(result)}`);
  await pause(1000);
}

const [mode, x, y] = process.argv.slice(2);
const modes = { enqueue, feed, work, lat: work };
modes[mode](Number(x), Number(y)).then(() => process.exit(0));
