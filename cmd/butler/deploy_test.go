package main

import (
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"butler/config"
	"butler/internal/app"
)

// manifest is what the tests look at of an object of Kubernetes.
type manifest struct {
	Kind string
	Data map[string]string
	Spec struct {
		Replicas int
		Template struct {
			Spec struct {
				SecurityContext struct {
					RunAsNonRoot bool `yaml:"runAsNonRoot"`
				} `yaml:"securityContext"`
				Containers []struct {
					Args            []string
					SecurityContext struct {
						ReadOnlyRootFilesystem   bool  `yaml:"readOnlyRootFilesystem"`
						AllowPrivilegeEscalation *bool `yaml:"allowPrivilegeEscalation"`
					} `yaml:"securityContext"`
					VolumeMounts []struct {
						MountPath string `yaml:"mountPath"`
						ReadOnly  bool   `yaml:"readOnly"`
					} `yaml:"volumeMounts"`
				}
			}
		}
	}
}

func TestManifests_runWithoutRightsOnAConfigurationThatLoads(t *testing.T) {
	f, err := os.Open(filepath.Join("..", "..", "deploy", "kubernetes", "butler.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	kinds := map[string]manifest{}
	for decoder := yaml.NewDecoder(f); ; {
		var m manifest
		if err := decoder.Decode(&m); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		kinds[m.Kind] = m
	}
	path := filepath.Join(t.TempDir(), "butler.yaml")
	if err := os.WriteFile(path, []byte(kinds["ConfigMap"].Data["butler.yaml"]), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(config.Options{Path: path, Schemas: app.Schemas(), Inspect: app.Inspection{Elsewhere: true}.Findings})
	if err != nil || !cfg.UDP().Enable {
		t.Errorf("want a configuration that takes events, got %v", err)
	}
	set := kinds["StatefulSet"].Spec
	pod := set.Template.Spec
	if set.Replicas != 1 || !pod.SecurityContext.RunAsNonRoot || len(pod.Containers) != 1 {
		t.Fatalf("want one pod with one container that is not root, got %+v", set)
	}
	c := pod.Containers[0]
	writable := map[string]bool{}
	for _, m := range c.VolumeMounts {
		writable[m.MountPath] = !m.ReadOnly
	}
	if want := map[string]bool{"/etc/butler": false, "/var/lib/butler": true, "/tmp": true}; !maps.Equal(writable, want) {
		t.Errorf("want these places, and whether they can be written: %v, got %v", want, writable)
	}
	for _, file := range []string{cfg.RESTServer().Auth.KeyFile, cfg.Scheduler().ConfigFile} {
		if !strings.HasPrefix(filepath.ToSlash(file), "/var/lib/butler/") {
			t.Errorf("want %s where it can be written", file)
		}
	}
	if c.SecurityContext.AllowPrivilegeEscalation == nil || *c.SecurityContext.AllowPrivilegeEscalation || !c.SecurityContext.ReadOnlyRootFilesystem {
		t.Errorf("want a container without rights, got %+v", c)
	}
}
