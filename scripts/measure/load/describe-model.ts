/** The model of a load as a run keeps it. Pure. */
import type { Model, Scenario, Stage } from '../../../loadgen/plan.ts';
import type { LoadDocument } from '../../documents/run.ts';

export function describeModel(
  model: Model,
): Pick<LoadDocument, 'model' | 'arrivals' | 'stages' | 'users' | 'iterations' | 'think_s' | 'scenarios'> {
  if (model.kind === 'scenarios') return { model: 'scenarios', scenarios: model.scenarios.map(describeScenario) };
  if (model.kind === 'closed')
    return { model: 'closed', users: model.users, iterations: model.iterations, think_s: model.thinkS };
  const stages = describeStages(model.arrivals === 'file' ? undefined : model.stages);
  return { model: 'open', arrivals: model.arrivals, ...stages };
}

function describeScenario({
  name,
  startS,
  maxInFlight,
  model,
}: Scenario): NonNullable<LoadDocument['scenarios']>[number] {
  const common = { name, start_s: startS, max_in_flight: maxInFlight };
  if (model.kind === 'closed')
    return { ...common, model: 'closed', users: model.users, iterations: model.iterations, think_s: model.thinkS };
  const { rate, durationS, arrivals, stages } = model;
  return { ...common, model: 'open', rate, duration_s: durationS, arrivals, ...describeStages(stages) };
}

const describeStages = (stages: Stage[] | undefined) =>
  stages ? { stages: stages.map(({ rate, durationS }) => ({ rate, duration_s: durationS })) } : {};
