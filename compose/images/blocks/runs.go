package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/model/labels"
)

const (
	years       = 2
	yearMs      = 365 * 24 * 3600 * 1000
	benchmarks  = 20
	hosts       = 3
	pairedEvery = 3
	badEvery    = 50

	projectPrefix = "mayfly-"
)

// What an id is for, so that no two are equal.
const (
	runID = iota
	rawBlock
	trendBlock
	compactedBlock
)

// Run is one made-up run.
type Run struct {
	ID        string `json:"run_id"`
	Benchmark string `json:"benchmark"`
	Host      string `json:"host"`
	Commit    string `json:"commit"`
	// Against is the baseline's commit, that of the benchmark's run before; empty where the run has one side.
	Against string `json:"against"`
	StartMs int64  `json:"start_ms"`
	EndMs   int64  `json:"end_ms"`
	Status  string `json:"status"`
	// Rounds has the side of each round of the template.
	Rounds map[string]string `json:"rounds"`
	Block  string            `json:"block"`
	Bytes  int64             `json:"bytes"`

	seed uint64
	// speed is what latencies are multiplied by: it wanders from run to run.
	speed float64
	index int
}

// makeRuns plans n runs in order of time, spread evenly with some play; the last of them is at the end of the two years.
func makeRuns(template *Template, n int, untilMs int64, seed uint64) []*Run {
	runs := make([]*Run, n)
	last := map[string]*Run{}
	from := untilMs - years*yearMs
	every := float64(untilMs-from-template.info.DurationMs-60_000) / float64(n)
	for i := range runs {
		own := mix(seed, uint64(i))
		run := &Run{index: i, seed: own, Status: "valid", Rounds: map[string]string{}}
		run.StartMs = from + int64(every*(float64(i)+0.9*unit(own, 1)))
		run.EndMs = run.StartMs + template.info.DurationMs
		run.ID = run.ulid(runID).String()
		run.Block = run.ulid(rawBlock).String()
		run.Benchmark = fmt.Sprintf("bench-%02d", i%benchmarks)
		run.Host = fmt.Sprintf("%012x", mix(seed, uint64(1_000_000+i*7%hosts))>>16)
		run.Commit = fmt.Sprintf("%016x%016x%08x", mix(own, 2), mix(own, 3), uint32(mix(own, 4)))
		if i%badEvery == badEvery-1 {
			run.Status = "invalid"
		}
		before := last[run.Benchmark]
		run.speed = math.Exp(0.02 * (unit(own, 5) - 0.5))
		if before != nil {
			run.speed *= before.speed
			if run.paired() {
				run.Against = before.Commit
			}
		}
		for r, round := range template.info.Rounds {
			run.Rounds[round] = "candidate"
			if run.Against != "" && r%2 == 1 {
				run.Rounds[round] = "baseline"
			}
		}
		last[run.Benchmark] = run
		runs[i] = run
	}
	return runs
}

func (run *Run) paired() bool { return run.index/benchmarks%pairedEvery == 1 }

func (run *Run) ulid(purpose uint64) ulid.ULID {
	id := ulid.ULID{}
	_ = id.SetTime(uint64(run.EndMs)) // only a time after the year 10889 is refused
	entropy := binary.BigEndian.AppendUint64(nil, mix(run.seed, 100+purpose))
	_ = id.SetEntropy(binary.BigEndian.AppendUint16(entropy, uint16(mix(run.seed, 200+purpose))))
	return id
}

func (run *Run) rawLabels() map[string]string {
	return map[string]string{"stream": "raw", "run_id": run.ID, "benchmark": run.Benchmark, "host": run.Host}
}

func (run *Run) commitOf(side string) string {
	if side == "baseline" {
		return run.Against
	}
	return run.Commit
}

// relabel gives a template's series the side and the commit of its round in this run.
func (run *Run) relabel(from *templateSeries, builder *labels.ScratchBuilder) labels.Labels {
	builder.Reset()
	side := run.Rounds[from.round]
	was := from.labels.Get("side")
	from.labels.Range(func(label labels.Label) {
		switch {
		case label.Name == "side" && side != "":
			builder.Add("side", side)
		case label.Name == "commit" && side != "":
			builder.Add("commit", run.commitOf(side))
		case label.Name == "run_id" || label.Name == "benchmark" || label.Name == "host": // external labels
		case label.Name == "name" && strings.HasPrefix(label.Value, projectPrefix): // a container: mayfly-<run>-<side>-<service>-<replica>
			name := projectPrefix + strings.ToLower(run.ID) + label.Value[min(len(label.Value), len(projectPrefix)+ulid.EncodedSize):]
			builder.Add("name", strings.Replace(name, "-"+was+"-", "-"+side+"-", 1))
		default:
			builder.Add(label.Name, label.Value)
		}
	})
	return builder.Labels()
}
