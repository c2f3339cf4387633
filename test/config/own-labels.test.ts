/** Labels of Mayfly's own in PromQL: what selects on them by a value that they never have finds nothing. */
import t from 'tap';
import { ownLabelFault } from '../../scripts/config/own-labels.ts';

const fault = (promql: string) => ownLabelFault(promql, ['shop', 'db']);

t.test('what finds something', async (t) => {
  for (const promql of [
    'sum(orders_total{$selector})',
    'sum(rate(orders_total{service="shop",$selector}[$window]))',
    'sum(orders_total{service=~"shop|web",instance="db-2",job="services",$selector})',
    'sum(orders_total{service="loadgen",job="loadgen",instance="loadgen",$selector})',
    'sum(x{exported_service="checkout",exported_round="2",subservice="a",$selector})',
    'sum(x{service!="checkout",round!~"2|3",$selector})',
    'label_replace(x{$selector}, "round", "$1", "note", "service=\\"checkout\\"") # round="2"',
    'sum by (service) (x{note="side=\\"a\\"",$selector})',
    'x{service=~"(?P<name>shop)",$selector}',
  ])
    t.equal(fault(promql), null, promql);
});

t.test('what finds nothing, and what to write', async (t) => {
  t.equal(
    fault('sum(orders_total{service="checkout",round="2",$selector})'),
    'selects service="checkout", but service is Mayfly\'s label, the name in the Compose file (shop, db); where the metric itself has a label service, Prometheus calls it exported_service: write exported_service="checkout"',
  );
  t.equal(
    fault("x{ round = '2' , $selector}"),
    'selects round="2", but round is Mayfly\'s label, which $selector fills in; where the metric itself has a label round, Prometheus calls it exported_round: write exported_round="2"',
  );
  for (const [promql, text] of [
    ['x{service=~"check.*",$selector}', 'selects service=~"check.*", but service'],
    ['x{service=`checkout`,$selector}', 'selects service="checkout", but service'],
    ['x{$selector} / y{side="left",$selector}', 'selects side="left", but side'],
    ['x{commit="abc",$selector}', 'selects commit="abc", but commit'],
    ['x{instance="eu-1",$selector}', 'selects instance="eu-1", but instance is Mayfly\'s label, service and number of'],
    ['x{job="api",$selector}', 'selects job="api", but job is Mayfly\'s label (services, loadgen, containers); where'],
    ['x{side=~".*",$selector}', 'selects side=~".*", but side'],
  ] as const)
    t.match(fault(promql), text);
});
