/** The health check of the container: ends with 0 once the function says that it serves. */
import { serving } from './health.ts';

await serving(`localhost:${process.env.PORT ?? 50051}`);
