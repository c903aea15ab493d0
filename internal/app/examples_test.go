package app_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"butler/config"
	"butler/internal/app"
)

// yamlBlock is an example that is a whole file, not a part of one.
var yamlBlock = regexp.MustCompile("(?ms)^( *)```yaml\n( *Butler:\n.*?)^ *```")

// The examples of the pages are files of an operator: each is checked as butler
// check does, on another machine than the one it is for.
func TestDocs_everyExampleIsAGoodConfiguration(t *testing.T) {
	var pages []string
	for _, pattern := range []string{"*.md", "docs/*.md", "internal/destination/*/README.md"} {
		found, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(pattern)))
		must(t, err)
		pages = append(pages, found...)
	}
	checked := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		must(t, err)
		for _, m := range yamlBlock.FindAllStringSubmatch(strings.ReplaceAll(string(text), "\r\n", "\n"), -1) {
			checked++
			yaml := regexp.MustCompile("(?m)^"+m[1]).ReplaceAllString(m[2], "")
			file := filepath.Join(t.TempDir(), "butler.yaml")
			must(t, os.WriteFile(file, []byte(yaml), 0o600))
			_, err := config.Load(config.Options{Path: file, Environ: secretsOf(yaml, filepath.Dir(file)), Schemas: app.Schemas(), Inspect: app.Inspection{Elsewhere: true}.Findings})
			for _, problem := range problemsOf(err) {
				t.Errorf("%s: want an example that is checked without a problem, got\n%s\n%s", filepath.ToSlash(page), problem, yaml)
			}
		}
	}
	if checked < 20 {
		t.Errorf("want the examples of the pages, got %d", checked)
	}
}

// problemsOf lists what is wrong with an example, but for the files that a reader has and we have not.
func problemsOf(err error) []string {
	if err == nil {
		return nil
	}
	return slices.DeleteFunc(strings.Split(err.Error(), "\n"), func(line string) bool {
		return strings.Contains(line, "cannot be read: stat") || strings.Contains(line, "cannot be read: GetFileAttributesEx") || strings.Contains(line, "is approved and does not exist")
	})
}

// secretsOf provides what an example refers to, and the site and the tenant that the rest of the file names.
func secretsOf(yaml, dir string) []string {
	const tenant = "BUTLER_QLIKSENSECLOUD_EVENT_MQTT_TENANT_"
	environ := []string{
		"BUTLER_CONFIGQRS_HOST=sense.example.com",
		tenant + "ID=4f2f0c1e9d8b7a6c5e4d3c2b", tenant + "TENANTURL=https://tenant.eu.qlikcloud.com", tenant + "AUTH_JWT_TOKEN=k3y",
	}
	for _, m := range regexp.MustCompile(`\$\{(env|file):([^}]+)\}`).FindAllStringSubmatch(yaml, -1) {
		secret := "https://hooks.slack.com/services/T0/B0/k3y"
		if m[1] == "env" {
			environ = append(environ, m[2]+"="+secret)
			continue
		}
		path := filepath.Join(dir, filepath.FromSlash(m[2]))
		if os.MkdirAll(filepath.Dir(path), 0o700) == nil {
			_ = os.WriteFile(path, []byte(secret), 0o600)
		}
	}
	return environ
}
