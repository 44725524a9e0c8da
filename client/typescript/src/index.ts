/**
 * Client of a Mintmark service, for Node 20 and browsers: submit, wait, stream.
 *
 *     const client = new Mintmark({ url: "http://localhost:8199", apiKey: process.env.MINTMARK_CLIENT_API_KEY });
 *     const job = await client.wait(await client.generate({ prompt: "a red fox", size: { width: 512, height: 512 } }));
 *     const bytes = await client.download(job.outputs[0]!);
 *
 * `schema.ts` is made from the service's OpenAPI document by `make typescript`; this file is written by hand.
 */
import type { components } from "./schema.js";

type Schemas = components["schemas"];
export type Job = Schemas["JobView"];
export type Accepted = Schemas["JobAccepted"];
export type Output = Schemas["OutputView"];
export type Problem = Schemas["Problem"];
/** What has a default in the document may be left out. */
type Given<T, Required extends keyof T = never> = Partial<Omit<T, Required>> & Pick<T, Required>;
export type ImagesOrder = Given<Schemas["ImagesBody"], "prompt">;
export type RunOrder = Given<Schemas["RunBody"]>;

export interface Options {
  url: string;
  apiKey?: string | undefined;
  /** How often a request is sent at most. Creates carry an Idempotency-Key, so nothing is made twice. */
  tries?: number;
}

export interface Asking {
  idempotencyKey?: string;
  /** Seconds that the service is given to finish before it answers. */
  wait?: number;
}

/** Something that was heard of a job: a transition (`seq` is set) or `progress`. */
export interface Update {
  kind: string;
  seq: number | null;
  data: Record<string, unknown>;
}

/** What the service says is wrong, as its problem document (RFC 9457) says it. */
export class MintmarkError extends Error {
  override readonly name = "MintmarkError";
  constructor(readonly problem: Given<Problem, "status" | "code" | "detail">) {
    super(`${problem.detail} [${problem.code}]`);
  }
  get code(): string {
    return this.problem.code;
  }
}

const OVER = new Set(["succeeded", "failed", "canceled"]);
const LAST = new Set([...OVER, "superseded", "deadline_passed"]);
const AGAIN = new Set([429, 502, 503, 504]);
const pause = (seconds: number): Promise<void> => new Promise((done) => setTimeout(done, seconds * 1000));

export class Mintmark {
  readonly url: string;
  readonly #headers: Record<string, string>;
  readonly #tries: number;

  constructor({ url, apiKey, tries = 5 }: Options) {
    this.url = url.replace(/\/+$/, "");
    this.#headers = apiKey ? { Authorization: `Bearer ${apiKey}` } : {};
    this.#tries = tries;
  }

  /** Images from a prompt. */
  generate(order: ImagesOrder, asking: Asking = {}): Promise<Accepted | Job> {
    return this.#create("/v1/images/generations", order, asking);
  }

  /** Run a workflow: `name`, `name@^1` or `name@stable`. */
  submit(workflow: string, order: RunOrder = {}, asking: Asking = {}): Promise<Accepted | Job> {
    const [name = "", version] = workflow.split("@");
    return this.#create(`/v1/workflows/${encodeURIComponent(name)}/runs`, version ? { ...order, version } : order, asking);
  }

  async #create(path: string, body: unknown, asking: Asking): Promise<Accepted | Job> {
    const headers: Record<string, string> = {
      "Content-Type": "application/json",
      "Idempotency-Key": asking.idempotencyKey ?? crypto.randomUUID(),
    };
    if (asking.wait !== undefined) headers["Prefer"] = `wait=${Math.round(asking.wait)}`;
    return this.#json("POST", path, { headers, body: JSON.stringify(body) });
  }

  /** The job as it stands. */
  job(job: string | Accepted | Job): Promise<Job> {
    return this.#json("GET", `/v1/jobs/${idOf(job)}`);
  }

  /** The job once it is over, however it ended: look at its `status`. */
  async wait(job: string | Accepted | Job): Promise<Job> {
    for await (const update of this.stream(job)) if (LAST.has(update.kind)) break;
    // The stream is a hint; the job itself is the truth.
    let found = await this.job(job);
    while (!OVER.has(found.status)) {
      await pause(1);
      found = await this.job(job);
    }
    return found;
  }

  /** What happens to the job, from its first event to its last, over broken lines. */
  async *stream(job: string | Accepted | Job, after = 0): AsyncGenerator<Update> {
    let seen = after;
    for (let broken = 0; broken <= this.#tries; ) {
      try {
        for await (const update of this.#heard(idOf(job), seen)) {
          broken = 0;
          seen = update.seq ?? seen;
          yield update;
          if (LAST.has(update.kind)) return;
        }
      } catch (error) {
        if (error instanceof MintmarkError) throw error;
        broken += 1;
        if (broken > this.#tries) throw error;
      }
      await pause(Math.min(0.2 + broken, 5));
    }
  }

  async *#heard(jobId: string, after: number): AsyncGenerator<Update> {
    const headers = { ...this.#headers, Accept: "text/event-stream", "Last-Event-ID": String(after) };
    const answer = await fetch(`${this.url}/v1/jobs/${jobId}/events`, { headers });
    if (!answer.ok || answer.body === null) throw await problemOf(answer);
    const decoder = new TextDecoder();
    let text = "";
    for await (const chunk of chunks(answer.body)) {
      text += decoder.decode(chunk, { stream: true });
      for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
        const update = parsed(text.slice(0, end));
        text = text.slice(end + 2);
        if (update !== null) yield update;
      }
    }
  }

  /** Stop it, and give back what it has not spent. */
  cancel(job: string | Accepted | Job): Promise<Job> {
    return this.#json("POST", `/v1/jobs/${idOf(job)}/cancel`);
  }

  /** All jobs that fit (`status`, `workflow`, `user`, `since` …), newest first, page by page. */
  async *jobs(where: Record<string, string> = {}): AsyncGenerator<Job> {
    let cursor: string | null = null;
    do {
      const query = new URLSearchParams(cursor === null ? where : { ...where, cursor });
      const page: Schemas["JobPage"] = await this.#json("GET", `/v1/jobs?${query}`);
      yield* page.jobs;
      cursor = page.next;
    } while (cursor !== null);
  }

  /** The file's bytes, as they were signed. Of an output that waits for a person to accept it there are none yet. */
  async download(output: Output): Promise<Uint8Array> {
    if (output.image_url === null) {
      const detail = "A person has to accept this output first.";
      throw new MintmarkError({ status: 403, code: "output_withheld", detail });
    }
    const answer = await fetch(output.image_url);
    if (!answer.ok) throw await problemOf(answer);
    return new Uint8Array(await answer.arrayBuffer());
  }

  async #json<T>(method: string, path: string, init: { headers?: Record<string, string>; body?: string } = {}): Promise<T> {
    for (let tried = 1; ; tried += 1) {
      let answer: Response;
      try {
        answer = await fetch(this.url + path, { ...init, method, headers: { ...this.#headers, ...init.headers } });
      } catch (error) {
        if (tried >= this.#tries) throw error;
        await pause(0.1 * 2 ** tried);
        continue;
      }
      if (answer.ok) return (await answer.json()) as T;
      if (!AGAIN.has(answer.status) || tried >= this.#tries) throw await problemOf(answer);
      await pause(Math.min(Number(answer.headers.get("Retry-After")) || 0.1 * 2 ** tried, 30));
    }
  }
}

function idOf(job: string | Accepted | Job): string {
  return typeof job === "string" ? job : job.job_id;
}

async function problemOf(answer: Response): Promise<MintmarkError> {
  const said: unknown = await answer.json().catch(() => null);
  if (said !== null && typeof said === "object" && "code" in said) return new MintmarkError(said as Problem);
  return new MintmarkError({ status: answer.status, code: "internal_error", detail: `HTTP ${answer.status}` });
}

/** One event of a stream (WHATWG HTML, section 9.2); null for a comment. */
function parsed(block: string): Update | null {
  const update: Update = { kind: "message", seq: null, data: {} };
  const data: string[] = [];
  for (const line of block.split(/\r?\n/)) {
    const [name, value] = [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).replace(/^ /, "")];
    if (name === "event") update.kind = value;
    else if (name === "id") update.seq = Number(value);
    else if (name === "data") data.push(value);
  }
  if (data.length === 0) return null;
  return { ...update, data: JSON.parse(data.join("\n")) as Record<string, unknown> };
}

async function* chunks(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) yield part.value;
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
