/** JSON schemas of the actions. Texts reach git and the flags of bench: none may look like a flag. */
import { failure, fields, jobDocument, PARAMS, paused, type Schema } from './api-schemas.ts';

export { failure, PARAMS, type Schema };

const REF: Schema = { type: 'string', pattern: '^(?!-)[\\w./@^~{}-]{1,200}$' };
/** Of a variant; as benchmark.schema.json has it. */
const VARIANT: Schema = { type: 'string', pattern: '^[a-z][a-z0-9-]{0,39}$' };
const body = (properties: Record<string, Schema>, required: readonly string[] = []): Schema => ({
  type: 'object',
  properties,
  required,
  additionalProperties: false,
});

export const ADD = body(
  {
    benchmark: { type: 'string', minLength: 1, maxLength: 100, description: 'A benchmark of the checkout' },
    commit: { ...REF, description: 'What is measured: a hash, a branch, a tag' },
    against: { ...REF, description: 'What it is compared with; default where it left its branch' },
    branch: {
      ...REF,
      description: 'The branch that it is for; default that of the pull request, else the default branch',
    },
    master: { type: 'boolean', description: 'A commit of its branch: it joins the master set' },
    rate: { type: 'string', pattern: '^\\d{1,6}(\\.\\d{1,3})?$', description: 'Requests per second' },
    duration: { type: 'string', pattern: '^(\\d{1,4}(ms|s|m|h)){1,3}$', description: 'Measured window: 20s, 2m' },
    variant: {
      ...VARIANT,
      description: "Variant of the benchmark's deployment, of both sides where no other is named",
    },
    against_variant: { ...VARIANT, description: 'Variant of the baseline' },
    repository: {
      type: 'string',
      pattern: '^[\\w.-]{1,100}/[\\w.-]{1,100}$',
      description: 'OWNER/NAME that is told of it',
    },
    pull_request: { type: 'integer', minimum: 1, maximum: 999_999_999 },
  },
  ['benchmark', 'commit'],
);

export const ASKED_OF = { reason: body({ reason: { type: 'string', maxLength: 500 } }), nothing: body({}) } as const;

export const jobAnswer = fields({
  added: { type: 'boolean', description: 'False: it was there already' },
  job: jobDocument,
});
export const pausedAnswer = fields({ paused: { anyOf: [paused, { type: 'null' }] } });
