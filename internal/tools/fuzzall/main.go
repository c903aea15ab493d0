// Command fuzzall runs every fuzz target of a module in turn, each for the same
// time, and stops at the first one that fails.
//
// Usage, from this module: go run ./fuzzall -dir ../.. -time 30s
package main

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

func main() {
	dir := flag.String("dir", "../..", "the module to fuzz")
	each := flag.Duration("time", 30*time.Second, "how long each target runs")
	flag.Parse()
	if err := run(*dir, *each); err != nil {
		fmt.Fprintln(os.Stderr, "fuzzall:", err)
		os.Exit(1)
	}
}

// target is one fuzz function of one package.
type target struct{ pkg, name string }

func run(dir string, each time.Duration) error {
	targets, err := list(dir)
	if err != nil {
		return err
	}
	if len(targets) == 0 {
		return fmt.Errorf("no fuzz target below %s", dir)
	}
	for _, t := range targets {
		fmt.Printf("%s %s\n", t.pkg, t.name)
		if err := t.fuzz(dir, each); err != nil {
			return fmt.Errorf("%s %s: %w", t.pkg, t.name, err)
		}
	}
	fmt.Printf("%d targets, no finding\n", len(targets))
	return nil
}

// fuzz runs the target, with little of its time for making inputs smaller.
func (t target) fuzz(dir string, each time.Duration) error {
	var said bytes.Buffer
	cmd := exec.Command("go", "test", "-run=^$", "-fuzz=^"+t.name+"$", "-fuzztime="+each.String(), "-fuzzminimizetime=2s", t.pkg)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, io.MultiWriter(os.Stdout, &said), os.Stderr
	err := cmd.Run()
	if err != nil && endedLate(said.String()) {
		fmt.Println("the time ended within a call: no finding")
		return nil
	}
	return err
}

// endedLate recognises the run that the go command calls failed because the last
// call took longer than the time that was left: it names no input that fails.
func endedLate(said string) bool {
	return strings.Contains(said, "\n    context deadline exceeded\n") && !strings.Contains(said, "Failing input") && strings.Count(said, "--- FAIL") == 1
}

// list finds the targets: go test -list prints the names of a package, then a line "ok package".
func list(dir string) ([]target, error) {
	cmd := exec.Command("go", "test", "-list=^Fuzz", "./...")
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("list fuzz targets: %w", err)
	}
	var targets []target
	var names []string
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		line := lines.Text()
		if strings.HasPrefix(line, "Fuzz") {
			names = append(names, line)
			continue
		}
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "ok" {
			continue
		}
		for _, name := range names {
			targets = append(targets, target{pkg: fields[1], name: name})
		}
		names = nil
	}
	return targets, nil
}
