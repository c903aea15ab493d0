package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

//go:generate go test -run TestDocs -count 1 . -update

var update = flag.Bool("update", false, "rewrite docs/cli.md")

func TestDocs_thePageOfCommandsIsWhatTheySay(t *testing.T) {
	t.Setenv(configEnv, "")
	var out strings.Builder
	out.WriteString(`# The command line

Every command, as ` + "`butler help COMMAND`" + ` tells it. This page is generated from the program.

| Command | What it does |
|---|---|
`)
	commands := all(newRoot())
	for _, c := range commands {
		fmt.Fprintf(&out, "| [`%s`](#%s) | %s |\n", c.CommandPath(), strings.ReplaceAll(c.CommandPath(), " ", "-"), cell(c.Short))
	}
	out.WriteString("\n`-c` may be left out where the environment variable `" + configEnv + "` names the file. Exit codes are 0 and 1 unless a command says otherwise.\n" +
		"\n`butler completion bash` prints what lets bash complete commands and options, and so for zsh, fish and powershell. `butler help completion` says how to use it.\n")
	for _, c := range commands {
		describe(&out, c)
	}
	path := filepath.Join("..", "..", "docs", "cli.md")
	if *update {
		if err := os.WriteFile(path, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.ReplaceAll(string(page), "\r\n", "\n"), out.String()); diff != "" {
		t.Errorf("docs/cli.md is out of date, see `make generate` (-want +got):\n%s", diff)
	}
}

// all lists a command and those below it that people see.
func all(c *cobra.Command) []*cobra.Command {
	out := []*cobra.Command{c}
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() && sub.Name() != "help" {
			out = append(out, all(sub)...)
		}
	}
	return out
}

// describe writes the section of one command.
func describe(out *strings.Builder, c *cobra.Command) {
	fmt.Fprintf(out, "\n## %s\n\n", c.CommandPath())
	if c.Long != "" {
		fmt.Fprintf(out, "```text\n%s\n```\n", strings.TrimSpace(c.Long))
	} else {
		fmt.Fprintf(out, "%s.\n", strings.TrimSuffix(c.Short, "."))
	}
	if c.Example != "" {
		fmt.Fprintf(out, "\n```\n%s\n```\n", strings.ReplaceAll(strings.TrimPrefix(c.Example, "  "), "\n  ", "\n"))
	}
	if !c.LocalFlags().HasAvailableFlags() {
		return
	}
	out.WriteString("\n| Option | Default | Meaning |\n|---|---|---|\n")
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		kind, usage := pflag.UnquoteUsage(f)
		name := strings.TrimSpace("--" + f.Name + " " + kind)
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		if f.Name != "help" {
			fmt.Fprintf(out, "| `%s` | %s | %s |\n", name, initial(f), cell(usage))
		}
	})
}

// initial is the value of an option that nobody gave, "" where that is nothing.
func initial(f *pflag.Flag) string {
	host, _ := os.Hostname()
	switch f.DefValue {
	case "", "false", "[]":
		return ""
	case host:
		return "name of this machine"
	}
	return "`" + f.DefValue + "`"
}

// cell is text that stands in a table.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "<", `\<`).Replace(text)
}

// commandLine matches one of ours in a page: from its name to the end of the
// line, of the code, or of the part before a pipe.
var commandLine = regexp.MustCompile("(?m)(?:^ *|[`$|&] ?|sudo |-u butler |\\\\(?:butler|src)> \\.\\\\|bin/)butler(?:\\.exe)? ([^`|&#>\\n]+)")

func TestDocs_everyCommandShownExists(t *testing.T) {
	checked := 0
	for _, name := range handWritten(t) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range commandLine.FindAllStringSubmatch(string(text), -1) {
			words := strings.Fields(m[1])
			root := newRoot()
			root.InitDefaultCompletionCmd(words...)
			c, rest, err := root.Find(words)
			named := len(rest) > 0 && regexp.MustCompile(`^[a-z][a-z-]+$`).MatchString(rest[0])
			if err != nil || named && c.HasSubCommands() {
				t.Errorf("%s: want a command that exists, got butler %s", name, m[1])
				continue
			}
			checked++
			c.InitDefaultHelpFlag()
			for _, word := range rest {
				if option, ok := strings.CutPrefix(word, "--"); ok {
					option, _, _ = strings.Cut(strings.TrimRight(option, ",.:;)"), "=")
					if option != "" && c.Flag(option) == nil {
						t.Errorf("%s: want an option that exists, got --%s in butler %s", name, option, m[1])
					}
				}
			}
		}
	}
	if checked < 50 {
		t.Errorf("want the commands of the pages, got %d", checked)
	}
}

// handWritten lists the pages for operators, but for the one that is generated from the commands.
func handWritten(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, pattern := range []string{"*.md", "docs/*.md", "internal/destination/*/README.md"} {
		names, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(pattern)))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, names...)
	}
	return slices.DeleteFunc(out, func(name string) bool { return filepath.Base(name) == "cli.md" })
}
