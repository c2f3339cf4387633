package main

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
)

// TrendInfo is what the manifest says about the trend stream.
type TrendInfo struct {
	Blocks  int           `json:"blocks"`
	Bytes   int64         `json:"bytes"`
	Metrics []TrendMetric `json:"metrics"`
}

// TrendMetric is a metric of mayfly_sample, as a run of the shop has them.
type TrendMetric struct {
	Name string `json:"name"`
	Unit string `json:"unit"`
	base float64
	// slower: it grows when the service becomes slower.
	slower bool
}

var trendMetrics = []TrendMetric{
	{"latency_avg", "s", 0.0012, true}, {"latency_min", "s", 0.0004, true}, {"latency_med", "s", 0.001, true},
	{"latency_max", "s", 0.03, true}, {"latency_p90", "s", 0.0019, true}, {"latency_p95", "s", 0.0026, true},
	{"latency_p99", "s", 0.006, true}, {"response_p95", "s", 0.0027, true}, {"response_p99", "s", 0.0062, true},
	{"start_lag_p99", "s", 0.0003, false}, {"request_rate", "1/s", 200, false}, {"failed_requests", "ratio", 0, false},
	{"cpu_seconds_per_request", "s", 0.0009, true}, {"memory_peak", "bytes", 9.2e7, false},
	{"search_p95", "s", 0.0031, true}, {"order_p95", "s", 0.0044, true}, {"gc_time", "ratio", 0.004, false},
}

const (
	compactionMs = 14 * 24 * 3600 * 1000
	changeEvery  = 40
)

// writeTrend writes one block for every 14 days, as the compactor leaves them, and one for each of the newest runs.
func writeTrend(runs []*Run, template *Template, out string, recent int) (TrendInfo, error) {
	groups := trendGroups(runs, recent)
	bytes := make([]int64, len(groups))
	err := inParallel("trend blocks", len(groups), func(i int) (err error) {
		bytes[i], err = writeTrendBlock(groups[i], template, out)
		return err
	})
	info := TrendInfo{Blocks: len(groups), Metrics: trendMetrics}
	for _, one := range bytes {
		info.Bytes += one
	}
	return info, err
}

func trendGroups(runs []*Run, recent int) [][]*Run {
	compacted := max(0, len(runs)-recent)
	index := map[int64]int{}
	var groups [][]*Run
	for i, run := range runs {
		key := run.StartMs / compactionMs
		at, there := index[key]
		if i >= compacted || !there {
			at = len(groups)
			groups = append(groups, nil)
			if i < compacted {
				index[key] = at
			}
		}
		groups[at] = append(groups[at], run)
	}
	return groups
}

func writeTrendBlock(group []*Run, template *Template, out string) (int64, error) {
	first := group[0]
	kind := blockKind{id: first.ulid(trendBlock), external: map[string]string{"stream": "trend"}, level: 1, source: "bucket.upload", uploaded: true}
	if len(group) > 1 {
		kind.id, kind.level, kind.source = first.ulid(compactedBlock), 3, "compactor"
		for _, run := range group {
			kind.sources = append(kind.sources, run.ulid(trendBlock))
		}
	}
	var all []series
	for _, run := range group {
		all = append(all, run.trend(template)...)
	}
	return writeBlock(filepath.Join(out, kind.id.String()), all, kind)
}

func (run *Run) trend(template *Template) []series {
	verdict := ""
	if run.Status == "invalid" {
		verdict = "INVALID"
	}
	pairing := "solo"
	if run.Against != "" {
		pairing = "alternating"
	}
	common := []string{"benchmark", run.Benchmark, "run_id", run.ID, "commit", run.Commit, "host", run.Host}
	at := func(v float64, name string, more ...string) series {
		return series{labels: named(name, append(more, common...)), chunks: [][]sample{{{t: run.StartMs, v: v}}}}
	}
	all := []series{
		at(float64(run.StartMs)/1000, "mayfly_run_start_timestamp_seconds", "ref", "main", "against", run.Against, "pairing", pairing, "status", run.Status, "verdict", verdict),
		at(float64(run.EndMs-run.StartMs)/1000, "mayfly_run_duration_seconds", "status", run.Status, "verdict", verdict),
	}
	for _, side := range []string{"candidate", "baseline"} {
		moments := run.roundsOf(side, template)
		if len(moments) == 0 {
			continue
		}
		bad := 0
		if run.Status == "invalid" {
			bad = 1
		}
		all = append(all, at(float64(len(moments)-bad), "mayfly_rounds", "side", side, "valid", "true"), at(float64(bad), "mayfly_rounds", "side", side, "valid", "false"))
		for m, metric := range trendMetrics {
			all = append(all, run.samples(metric, m, side, moments))
		}
	}
	if run.index/benchmarks%changeEvery == changeEvery-1 && run.Against == "" {
		all = append(all, series{labels: named("mayfly_change_point", []string{"benchmark", run.Benchmark, "metric", "latency_med", "commit", run.Commit, "before", fmt.Sprintf("%040x", run.seed), "host", run.Host}), chunks: [][]sample{{{t: run.StartMs, v: 1 + 0.1*unit(run.seed, 9)}}}})
	}
	return all
}

// samples has one value for each round of the side, at the round's start.
func (run *Run) samples(metric TrendMetric, number int, side string, moments []int64) series {
	made := make([]sample, len(moments))
	for i, t := range moments {
		noise := 0.03 * (unit(run.seed, uint64(1000+100*number+i)) - 0.5)
		v := metric.base * math.Exp(noise)
		if metric.slower {
			v *= run.speed
		}
		made[i] = sample{t: t, v: v}
	}
	return series{labels: named("mayfly_sample", []string{"benchmark", run.Benchmark, "run_id", run.ID, "commit", run.commitOf(side), "side", side, "host", run.Host, "metric", metric.Name, "unit", metric.Unit}), chunks: [][]sample{made}}
}

// roundsOf gives the moments at which the side's rounds start, in order: those of the first sample of latency.
func (run *Run) roundsOf(side string, template *Template) []int64 {
	starts := map[string]int64{}
	for _, one := range template.info.Latency {
		if len(one.OffsetsMs) == 0 || run.Rounds[one.Round] != side {
			continue
		}
		moment := run.StartMs + one.OffsetsMs[0]
		if known, there := starts[one.Round]; !there || moment < known {
			starts[one.Round] = moment
		}
	}
	moments := make([]int64, 0, len(starts))
	for _, moment := range starts {
		moments = append(moments, moment)
	}
	slices.Sort(moments)
	return moments
}

// named makes labels of a name and pairs; an empty value is no label.
func named(name string, pairs []string) labels.Labels {
	builder := labels.NewBuilder(labels.EmptyLabels())
	builder.Set(labels.MetricName, name)
	for i := 0; i < len(pairs); i += 2 {
		builder.Set(pairs[i], pairs[i+1])
	}
	return builder.Labels()
}
