/** A field that is misspelt is not passed over in silence, as the validation of fastify would. */
import { HttpError, type HttpRequest } from './http.ts';

type Described = { properties?: object } | undefined;

/**
 * HttpError 400 for the first field of query or body that the route's schema does not name. A hook of `preValidation`.
 */
export function refuseUnknown({ query, body, routeOptions: { schema } }: HttpRequest): void {
  for (const [given, described] of [
    [query, schema?.querystring],
    [body, schema?.body],
  ] as [object | null | undefined, Described][]) {
    const known = Object.keys(described?.properties ?? {});
    const unknown = Object.keys(given ?? {}).find((name) => !known.includes(name));
    if (unknown !== undefined)
      throw new HttpError(
        400,
        `${JSON.stringify(unknown)} is not known here${known.length > 0 ? `; allowed: ${known.join(', ')}` : ''}`,
      );
  }
}
