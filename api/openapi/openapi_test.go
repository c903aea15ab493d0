package openapi

import (
	"net/http"
	"slices"
	"testing"
)

func TestFor_showsWhatIsEnabled(t *testing.T) {
	d, err := Read()
	if err != nil {
		t.Fatal(err)
	}
	shown := d.For(func(name string) bool { return name == "butlerping" }, "1.2.3", "https://butler.example.com")
	paths, _ := shown["paths"].(Document)
	info, _ := shown["info"].(Document)
	if len(paths) != 1 || paths["/v4/butlerping"] == nil || info["version"] != "1.2.3" || info["title"] != "butler" {
		t.Errorf("want the ping alone with the version, got %v of %v", paths, info)
	}
	if whole, _ := d["paths"].(Document); len(whole) < 4 {
		t.Errorf("the description itself was changed: %d paths are left", len(whole))
	}
}

func TestOperations_haveTheParametersOfTheirPathToo(t *testing.T) {
	d, err := Read()
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range d.Operations() {
		if o.Method != http.MethodDelete || o.Path != "/v4/keyvalues/{namespace}/{key}" {
			continue
		}
		var got []string
		for _, p := range o.Parameters {
			got = append(got, p.In+" "+p.Name)
		}
		if want := []string{"path namespace", "path key", "header If-Match"}; !slices.Equal(got, want) {
			t.Errorf("want %q, got %q", want, got)
		}
		return
	}
	t.Error("want the call that deletes a key")
}
