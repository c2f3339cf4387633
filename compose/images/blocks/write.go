package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/index"
)

// sample is one float, or one histogram where h is set.
type sample struct {
	t int64
	v float64
	h *histogram.Histogram
}

// series has its samples as its chunks hold them: a chunk has floats or histograms.
type series struct {
	labels labels.Labels
	chunks [][]sample
}

// blockKind is what meta.json says about a block besides its contents.
type blockKind struct {
	id       ulid.ULID
	external map[string]string
	level    int
	sources  []ulid.ULID
	source   string
	// uploaded: with the section that Thanos adds. Without it the block is one of a snapshot.
	uploaded bool
}

const (
	// segmentBytes is what the chunk writer preallocates; a block here stays far below.
	segmentBytes = 8 << 20
	// scratch is in memory: the writers wait for the disk a dozen times a block.
	scratch = "/dev/shm"
)

// writeBlock writes a block into the folder. It gives the block's bytes.
func writeBlock(dir string, all []series, kind blockKind) (int64, error) {
	temporary, err := os.MkdirTemp(scratch, "block-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(temporary)
	bytes, err := writeFiles(temporary, all, kind)
	if err != nil {
		return 0, err
	}
	return bytes, os.CopyFS(dir, os.DirFS(temporary))
}

// writeFiles does without a TSDB head around the block, since that takes ten times as long.
func writeFiles(dir string, all []series, kind blockKind) (int64, error) {
	slices.SortFunc(all, func(a, b series) int { return labels.Compare(a.labels, b.labels) })
	meta := tsdb.BlockMeta{ULID: kind.id, Version: 1, MinTime: 1<<63 - 1}
	meta.Compaction.Level = kind.level
	if meta.Compaction.Sources = kind.sources; kind.sources == nil {
		meta.Compaction.Sources = []ulid.ULID{kind.id}
	}
	chunkWriter, err := chunks.NewWriter(filepath.Join(dir, "chunks"), chunks.WithSegmentSize(segmentBytes))
	if err != nil {
		return 0, err
	}
	encoded, err := encodeAll(all, &meta)
	if err != nil {
		return 0, err
	}
	// In one call: then the references are set in place for all of them.
	if err := chunkWriter.WriteChunks(encoded...); err != nil {
		return 0, err
	}
	if err := chunkWriter.Close(); err != nil {
		return 0, err
	}
	if err := writeIndex(filepath.Join(dir, "index"), all, encoded); err != nil {
		return 0, err
	}
	return writeMeta(dir, meta, kind)
}

func encodeAll(all []series, meta *tsdb.BlockMeta) ([]chunks.Meta, error) {
	var encoded []chunks.Meta
	for _, one := range all {
		for _, samples := range one.chunks {
			chunk, err := encode(samples)
			if err != nil {
				return nil, err
			}
			first, last := samples[0].t, samples[len(samples)-1].t
			encoded = append(encoded, chunks.Meta{Chunk: chunk, MinTime: first, MaxTime: last})
			meta.MinTime, meta.MaxTime = min(meta.MinTime, first), max(meta.MaxTime, last+1)
			meta.Stats.NumSamples += uint64(len(samples))
			if samples[0].h == nil {
				meta.Stats.NumFloatSamples += uint64(len(samples))
			} else {
				meta.Stats.NumHistogramSamples += uint64(len(samples))
			}
		}
	}
	meta.Stats.NumSeries, meta.Stats.NumChunks = uint64(len(all)), uint64(len(encoded))
	return encoded, nil
}

// encode uses the two encodings that Thanos 0.42 reads: plain XOR and plain histograms.
func encode(samples []sample) (chunkenc.Chunk, error) {
	var chunk chunkenc.Chunk = chunkenc.NewXORChunk()
	if samples[0].h != nil {
		chunk = chunkenc.NewHistogramChunk()
	}
	appender, err := chunk.Appender()
	if err != nil {
		return nil, err
	}
	for _, one := range samples {
		if one.h == nil {
			appender.Append(0, one.t, one.v)
			continue
		}
		// The samples of a template's chunk fit into one chunk, and so do these: their buckets are as many.
		if _, _, appender, err = appender.AppendHistogram(nil, 0, one.t, one.h, true); err != nil {
			return nil, err
		}
	}
	return chunk, nil
}

func writeIndex(file string, all []series, encoded []chunks.Meta) error {
	writer, err := index.NewWriter(context.Background(), file)
	if err != nil {
		return err
	}
	for _, symbol := range symbolsOf(all) {
		if err := writer.AddSymbol(symbol); err != nil {
			return err
		}
	}
	for i, one := range all {
		if err := writer.AddSeries(storage.SeriesRef(i), one.labels, encoded[:len(one.chunks)]...); err != nil {
			return err
		}
		encoded = encoded[len(one.chunks):]
	}
	return writer.Close()
}

func symbolsOf(all []series) []string {
	seen := map[string]struct{}{}
	for _, one := range all {
		one.labels.Range(func(label labels.Label) {
			seen[label.Name], seen[label.Value] = struct{}{}, struct{}{}
		})
	}
	symbols := make([]string, 0, len(seen))
	for symbol := range seen {
		symbols = append(symbols, symbol)
	}
	slices.Sort(symbols)
	return symbols
}

// thanosMeta is the section that an upload adds to meta.json (Thanos, pkg/block/metadata/meta.go).
type thanosMeta struct {
	Version      int               `json:"version"`
	Labels       map[string]string `json:"labels"`
	Downsample   map[string]int    `json:"downsample"`
	Source       string            `json:"source"`
	SegmentFiles []string          `json:"segment_files"`
	Files        []thanosFile      `json:"files"`
	IndexStats   struct{}          `json:"index_stats"`
	UploadTime   time.Time         `json:"upload_time"`
}

type thanosFile struct {
	Path  string `json:"rel_path"`
	Bytes int64  `json:"size_bytes,omitempty"`
}

func writeMeta(dir string, meta tsdb.BlockMeta, kind blockKind) (int64, error) {
	files := []thanosFile{{Path: "chunks/000001"}, {Path: "index"}, {Path: "meta.json"}}
	var bytes int64
	for i := range files[:2] {
		stat, err := os.Stat(filepath.Join(dir, files[i].Path))
		if err != nil {
			return 0, err
		}
		files[i].Bytes = stat.Size()
		bytes += stat.Size()
	}
	document := struct {
		tsdb.BlockMeta
		Thanos *thanosMeta `json:"thanos,omitempty"`
	}{BlockMeta: meta}
	if kind.uploaded {
		document.Thanos = &thanosMeta{Version: 1, Labels: kind.external, Downsample: map[string]int{"resolution": 0}, Source: kind.source, SegmentFiles: []string{"000001"}, Files: files, UploadTime: ulid.Time(kind.id.Time()).UTC()}
	}
	text, err := json.MarshalIndent(document, "", "\t")
	if err != nil {
		return 0, err
	}
	return bytes + int64(len(text)), os.WriteFile(filepath.Join(dir, "meta.json"), text, 0o644)
}
