// Command blocks makes up runs: from the block of one real run it writes as many distinct ones as asked for, spread over
// two years, with the trend blocks that belong to them, as an archive's bucket holds them. Only npm run perf:archive
// starts it. The same flags and template give the same bytes.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Manifest says what was made, for the one that checks the answers of queries over it.
type Manifest struct {
	Seed     uint64       `json:"seed"`
	Template TemplateInfo `json:"template"`
	Runs     []*Run       `json:"runs"`
	Trend    TrendInfo    `json:"trend"`
}

func main() {
	templateDir := flag.String("template", "/template", "folder of the real run's block")
	out := flag.String("out", "/out", "folder that gets the blocks")
	manifestFile := flag.String("manifest", "/out/made.json", "file that gets what was made, as JSON")
	runs := flag.Int("runs", 100, "how many runs")
	until := flag.Int64("until", 0, "end of the two years, in milliseconds since the epoch")
	seed := flag.Uint64("seed", 1, "where the made-up values come from")
	recent := flag.Int("recent", 200, "newest runs whose trend blocks are not compacted yet")
	one := flag.Bool("one", false, "make only the run after the last, as a snapshot: no trend block, no external labels")
	flag.Parse()
	debug.SetGCPercent(400) // the writers' buffers are 20 MB a block
	if err := run(*templateDir, *out, *manifestFile, *runs, *until, *seed, *recent, *one); err != nil {
		fmt.Fprintln(os.Stderr, "blocks:", err)
		os.Exit(1)
	}
}

func run(templateDir, out, manifestFile string, n int, until int64, seed uint64, recent int, one bool) error {
	template, err := readTemplate(templateDir)
	if err != nil {
		return fmt.Errorf("the template %s: %w", templateDir, err)
	}
	fmt.Fprintf(os.Stderr, "template: %d series, %d samples, %d ms\n", template.info.Series, template.info.Samples, template.info.DurationMs)
	manifest := Manifest{Seed: seed, Template: template.info, Runs: makeRuns(template, n+1, until, seed)}
	if one {
		manifest.Runs = manifest.Runs[n:]
	} else {
		manifest.Runs = manifest.Runs[:n]
	}
	if err := writeRaw(template, manifest.Runs, out, !one); err != nil {
		return err
	}
	if !one {
		if manifest.Trend, err = writeTrend(manifest.Runs, template, out, recent); err != nil {
			return err
		}
	}
	return writeJSON(manifestFile, manifest)
}

func writeRaw(template *Template, runs []*Run, out string, uploaded bool) error {
	return inParallel("raw blocks", len(runs), func(i int) (err error) {
		run := runs[i]
		run.Bytes, err = writeBlock(filepath.Join(out, run.Block), template.vary(run), blockKind{
			id: run.ulid(rawBlock), external: run.rawLabels(), level: 1, source: "bucket.upload", uploaded: uploaded,
		})
		return err
	})
}

// inParallel calls work for 0..n-1 on every core and says how far it is; it gives the first error.
func inParallel(what string, n int, work func(int) error) error {
	var next, done atomic.Int64
	var failed atomic.Pointer[error]
	var workers sync.WaitGroup
	started := time.Now()
	said := make(chan struct{})
	stop := make(chan struct{})
	say := func() {
		fmt.Fprintf(os.Stderr, "%s: %d of %d (%.1f s)\n", what, done.Load(), n, time.Since(started).Seconds())
	}
	go func() {
		defer close(said)
		for tick := time.NewTicker(2 * time.Second); ; {
			select {
			case <-tick.C:
				say()
			case <-stop:
				return
			}
		}
	}()
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(n) && failed.Load() == nil; i = next.Add(1) - 1 {
				if err := work(int(i)); err != nil {
					failed.CompareAndSwap(nil, &err)
					return
				}
				done.Add(1)
			}
		})
	}
	workers.Wait()
	close(stop)
	<-said
	say()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

func writeJSON(file string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o644)
}
