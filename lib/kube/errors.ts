import * as z from 'zod';

/** The API server's `Status` object (kind Status, v1), as far as it helps. */
const Status = z.object({
  message: z.string().optional(),
  reason: z.string().optional(),
  code: z.int().optional(),
  details: z.object({ retryAfterSeconds: z.number().optional() }).optional(),
});

/** One failed exchange with the API server: what it answered, or that it did not. */
export class KubeError extends Error {
  override readonly name = 'KubeError';
  /** The API's reason: NotFound, AlreadyExists, Conflict, Expired, Invalid, Forbidden, …; ours: Unreachable, BadAnswer. */
  readonly code: string;
  /** The HTTP status; 0 where no answer came. */
  readonly status: number;
  readonly retryAfterMs: number | undefined;

  constructor(code: string, message: string, rest: { status?: number; retryAfterMs?: number; cause?: unknown } = {}) {
    super(message, { cause: rest.cause });
    this.code = code;
    this.status = rest.status ?? 0;
    this.retryAfterMs = rest.retryAfterMs;
  }

  get isNotFound(): boolean {
    return this.status === 404;
  }
  get isAlreadyExists(): boolean {
    return this.code === 'AlreadyExists';
  }
  /** The object changed since we read it: read again. */
  get isConflict(): boolean {
    return this.status === 409 && !this.isAlreadyExists;
  }
  /** The resource version is too old to watch from: list again. */
  get isExpired(): boolean {
    return this.status === 410 || this.code === 'Expired' || this.code === 'Gone';
  }
  get isUnreachable(): boolean {
    return this.code === 'Unreachable';
  }
  /** No retry cures it: the request is refused as it stands (4xx that are neither a race nor a rate limit). */
  get isRefused(): boolean {
    return this.status >= 400 && this.status < 500 && ![408, 409, 410, 429].includes(this.status);
  }

  /** An answer that is not 2xx, or a watch event of type ERROR. `body` is the Status object, or whatever a proxy sent. */
  static fromStatus(httpStatus: number, body: unknown, retryAfterSeconds?: number): KubeError {
    const { data } = Status.safeParse(body);
    const status = data?.code ?? httpStatus;
    const seconds = retryAfterSeconds ?? data?.details?.retryAfterSeconds;
    return new KubeError(
      data?.reason === undefined || data.reason === '' ? `Http${status}` : data.reason,
      data?.message ?? `the API server answered with HTTP status ${status}`,
      { status, ...(seconds === undefined ? {} : { retryAfterMs: seconds * 1000 }) },
    );
  }

  /** Whatever was thrown, as a KubeError. */
  static from(this: void, error: unknown): KubeError {
    if (error instanceof KubeError) return error;
    const message = error instanceof Error ? error.message : String(error);
    return new KubeError('Unreachable', `the API server cannot be reached: ${message}`, { cause: error });
  }
}

/** True where the API server said that the object is not there. */
export const isNotFound = (error: unknown): boolean => error instanceof KubeError && error.isNotFound;
