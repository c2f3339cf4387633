package main

import (
	"context"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/index"
)

// latencyMetric is the native histogram that every run has.
const latencyMetric = "mayfly_request_duration_seconds"

// Template is a real run, decoded.
type Template struct {
	info   TemplateInfo
	start  int64
	series []templateSeries
}

type templateSeries struct {
	series
	family uint64
	round  string
	vary   kindOfValues
	// first and last are the outermost buckets that any sample of a histogram has.
	first, last int32
}

// kindOfValues says how a series' values may be varied so that they stay what they are.
type kindOfValues int

const (
	scaled  kindOfValues = iota // times a factor
	whole                       // times a factor, rounded down: counts stay counts, and counters never go back
	same                        // flags such as up
	moments                     // seconds since the epoch: shifted with the run
)

// TemplateInfo is what the manifest says about the template.
type TemplateInfo struct {
	Series     int      `json:"series"`
	Samples    int      `json:"samples"`
	DurationMs int64    `json:"duration_ms"`
	Rounds     []string `json:"rounds"`
	Metrics    []string `json:"metrics"`
	// Latency has the moments of every series of latencyMetric, in milliseconds from the run's start.
	Latency []LatencySeries `json:"latency"`
}

// LatencySeries are the moments of one series, stale markers left out.
type LatencySeries struct {
	Round     string  `json:"round"`
	OffsetsMs []int64 `json:"offsets_ms"`
}

func readTemplate(dir string) (*Template, error) {
	block, err := tsdb.OpenBlock(nil, dir, chunkenc.NewPool(), nil)
	if err != nil {
		return nil, err
	}
	defer block.Close()
	template := &Template{start: block.Meta().MinTime}
	template.info.DurationMs = block.Meta().MaxTime - block.Meta().MinTime
	if err := template.readSeries(block); err != nil {
		return nil, err
	}
	if len(template.info.Rounds) == 0 || len(template.info.Latency) == 0 {
		return nil, fmt.Errorf("it has no series with a round, or none of %s: is it a run with Mayfly's load generator?", latencyMetric)
	}
	return template, nil
}

func (template *Template) readSeries(block *tsdb.Block) error {
	indexReader, err := block.Index()
	if err != nil {
		return err
	}
	defer indexReader.Close()
	chunkReader, err := block.Chunks()
	if err != nil {
		return err
	}
	defer chunkReader.Close()
	name, all := index.AllPostingsKey()
	postings, err := indexReader.Postings(context.Background(), name, all)
	if err != nil {
		return err
	}
	var builder labels.ScratchBuilder
	for postings.Next() {
		var metas []chunks.Meta
		if err := indexReader.Series(postings.At(), &builder, &metas); err != nil {
			return err
		}
		one := templateSeries{series: series{labels: builder.Labels().Copy()}}
		for _, meta := range metas {
			chunk, _, err := chunkReader.ChunkOrIterable(meta)
			if err != nil {
				return err
			}
			samples, err := decode(chunk)
			if err != nil {
				return fmt.Errorf("%s: %w", one.labels, err)
			}
			one.chunks = append(one.chunks, samples)
			template.info.Samples += len(samples)
		}
		template.add(one)
	}
	return postings.Err()
}

func decode(chunk chunkenc.Chunk) ([]sample, error) {
	var samples []sample
	iterator := chunk.Iterator(nil)
	for kind := iterator.Next(); kind != chunkenc.ValNone; kind = iterator.Next() {
		switch kind {
		case chunkenc.ValFloat:
			t, v := iterator.At()
			samples = append(samples, sample{t: t, v: v})
		case chunkenc.ValHistogram:
			t, h := iterator.AtHistogram(nil)
			samples = append(samples, sample{t: t, h: h.Copy()})
		default:
			return nil, fmt.Errorf("a sample of kind %s, which no run of Mayfly has", kind)
		}
	}
	return samples, iterator.Err()
}

func (template *Template) add(one templateSeries) {
	one.round = one.labels.Get("round")
	one.family = familyOf(one.labels)
	one.vary = kindOf(one.series)
	one.first, one.last = bucketsOf(one.series)
	if name := one.labels.Get(labels.MetricName); !slices.Contains(template.info.Metrics, name) {
		template.info.Metrics = append(template.info.Metrics, name)
	}
	if one.round != "" && !slices.Contains(template.info.Rounds, one.round) {
		template.info.Rounds = append(template.info.Rounds, one.round)
	}
	if one.labels.Get(labels.MetricName) == latencyMetric {
		offsets := LatencySeries{Round: one.round}
		for _, samples := range one.chunks {
			for _, sample := range samples {
				if sample.h != nil && !value.IsStaleNaN(sample.h.Sum) {
					offsets.OffsetsMs = append(offsets.OffsetsMs, sample.t-template.start)
				}
			}
		}
		template.info.Latency = append(template.info.Latency, offsets)
	}
	template.series = append(template.series, one)
	template.info.Series = len(template.series)
}

// familyOf is one number for all series of a classic histogram: one factor keeps its buckets in order.
func familyOf(all labels.Labels) uint64 {
	hash := fnv.New64a()
	all.Range(func(label labels.Label) {
		text := label.Value
		switch label.Name {
		case "le":
			return
		case labels.MetricName:
			for _, suffix := range []string{"_bucket", "_count", "_sum"} {
				text = strings.TrimSuffix(text, suffix)
			}
		}
		hash.Write([]byte(label.Name + "\xff" + text + "\xff"))
	})
	return hash.Sum64()
}

func kindOf(one series) kindOfValues {
	name := one.labels.Get(labels.MetricName)
	if strings.HasSuffix(name, "_start_time_seconds") || strings.HasSuffix(name, "_timestamp_seconds") {
		return moments
	}
	largest, integers := 0.0, true
	for _, samples := range one.chunks {
		for _, sample := range samples {
			if sample.h != nil || value.IsStaleNaN(sample.v) {
				continue
			}
			largest = max(largest, math.Abs(sample.v))
			integers = integers && sample.v == math.Trunc(sample.v)
		}
	}
	switch {
	case integers && largest <= 1:
		return same
	case integers:
		return whole
	default:
		return scaled
	}
}

func bucketsOf(one series) (first, last int32) {
	first = math.MaxInt32
	for _, samples := range one.chunks {
		for _, sample := range samples {
			if sample.h == nil || len(sample.h.PositiveSpans) == 0 {
				continue
			}
			next := int32(0)
			for _, span := range sample.h.PositiveSpans {
				next += span.Offset + int32(span.Length)
			}
			first, last = min(first, sample.h.PositiveSpans[0].Offset), max(last, next-1)
		}
	}
	return first, last
}

// vary gives the template's series as those of the made-up run: its time, its labels, its values.
func (template *Template) vary(run *Run) []series {
	all := make([]series, len(template.series))
	builder := labels.NewScratchBuilder(16)
	for i := range template.series {
		from := &template.series[i]
		varied := variation{
			run: run, series: from, shift: run.StartMs - template.start,
			factor: 0.8 + 0.45*unit(run.seed, from.family),
		}
		all[i] = series{labels: run.relabel(from, &builder), chunks: make([][]sample, len(from.chunks))}
		for c, samples := range from.chunks {
			made := make([]sample, len(samples))
			for s, sample := range samples {
				made[s] = varied.sample(sample)
			}
			all[i].chunks[c] = made
		}
	}
	return all
}

type variation struct {
	run    *Run
	series *templateSeries
	shift  int64
	factor float64
}

func (v *variation) sample(from sample) sample {
	if from.h != nil {
		return sample{t: from.t + v.shift, h: v.histogram(from.h)}
	}
	made := sample{t: from.t + v.shift, v: from.v}
	if value.IsStaleNaN(from.v) || math.IsNaN(from.v) || math.IsInf(from.v, 0) {
		return made
	}
	switch v.series.vary {
	case scaled:
		made.v = from.v * v.factor
	case whole:
		made.v = math.Trunc(from.v * v.factor)
	case moments:
		made.v = from.v + float64(v.shift)/1000
	}
	return made
}

// histogram moves the buckets by the run's speed, and lets each bucket count up to a quarter more: the higher a count
// was, the higher it is, so that the histogram stays a counter.
func (v *variation) histogram(from *histogram.Histogram) *histogram.Histogram {
	if value.IsStaleNaN(from.Sum) {
		return from
	}
	steps, factor := v.move(from)
	made := *from
	made.PositiveSpans = append([]histogram.Span(nil), from.PositiveSpans...)
	if len(made.PositiveSpans) > 0 {
		made.PositiveSpans[0].Offset += steps
	}
	made.PositiveBuckets = make([]int64, len(from.PositiveBuckets))
	made.Count = from.ZeroCount
	var was, last int64
	for i, delta := range from.PositiveBuckets {
		was += delta
		count := was + int64(float64(was)*0.25*unit(v.run.seed^v.series.family, uint64(i)))
		made.PositiveBuckets[i] = count - last
		last = count
		made.Count += uint64(count)
	}
	if from.Count > 0 {
		made.Sum = from.Sum * factor * float64(made.Count) / float64(from.Count)
	}
	return &made
}

// move gives the buckets by which the run's speed moves a histogram, and how much larger its values are then. Custom
// buckets are those of the load generator: evenly spaced as a logarithm, and as many as there are.
func (v *variation) move(from *histogram.Histogram) (steps int32, factor float64) {
	bounds := from.CustomValues
	width := math.Ln2 / math.Exp2(float64(from.Schema))
	if from.UsesCustomBuckets() {
		width = math.Log(bounds[len(bounds)-1]/bounds[0]) / float64(len(bounds)-1)
	}
	steps = int32(math.Round(math.Log(v.run.speed) / width))
	if from.UsesCustomBuckets() {
		steps = max(-v.series.first, min(steps, int32(len(bounds))-v.series.last))
	}
	return steps, math.Exp(float64(steps) * width)
}

// unit gives a number from 0 up to 1 by two numbers, always the same one (splitmix64, Steele et al. 2014).
func unit(a, b uint64) float64 { return float64(mix(a, b)>>11) / (1 << 53) }

func mix(a, b uint64) uint64 {
	z := a + 0x9e3779b97f4a7c15*(b+1)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
