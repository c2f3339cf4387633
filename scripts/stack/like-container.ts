/** What a container is created from that is like another one but for its image, name and labels. Pure. */
import { isDeepStrictEqual } from 'node:util';

type Said = Record<string, any>;

export interface Differences {
  name: string;
  image: string;
  /** Name of the network that both are in. */
  network: string;
  /** The service's name on that network. */
  service: string;
  /** The balancer alone has the name of the service. */
  isBalanced: boolean;
  labels: Record<string, string>;
}

/**
 * The body of POST /containers/create. `like`: the engine's description of a container that Compose has started.
 * `defaults`: what its image gives: that is left out, since the other image has its own.
 */
export function likeBody(like: Said, defaults: Said, differences: Differences): Record<string, unknown> {
  const { Hostname, Image: _, MacAddress: __, ...config } = like.Config as Said;
  const own = Object.fromEntries(
    Object.entries(config).flatMap(([key, value]) => {
      const given = defaults[key];
      if (key === 'Env') return [[key, value.filter((one: string) => !given?.includes(one))]];
      if (isMap(value) && isMap(given))
        return [
          [
            key,
            Object.fromEntries(Object.entries(value).filter(([name, one]) => !isDeepStrictEqual(one, given[name]))),
          ],
        ];
      return isDeepStrictEqual(value, given) ? [] : [[key, value]];
    }),
  );
  const short = like.Id.slice(0, 12);
  const at = like.NetworkSettings.Networks[differences.network] as Said;
  const aliases = [like.Name.slice(1), short, ...(differences.isBalanced ? [differences.service] : [])];
  return {
    ...own,
    ...(Hostname === short ? {} : { Hostname }),
    Image: differences.image,
    Labels: { ...own.Labels, ...differences.labels },
    HostConfig: like.HostConfig,
    NetworkingConfig: {
      EndpointsConfig: {
        [differences.network]: {
          Aliases: [differences.name, ...(at.Aliases ?? []).filter((one: string) => !aliases.includes(one))],
          ...(at.Links ? { Links: at.Links } : {}),
        },
      },
    },
  };
}

const isMap = (value: unknown): value is Said => typeof value === 'object' && value !== null && !Array.isArray(value);
