package world

import (
	"fmt"
	"iter"
	"time"

	"butler/internal/qlik"
)

// LicenceKind is a kind of user licence.
type LicenceKind uint8

// The kinds of user licence.
const (
	Professional LicenceKind = iota
	Analyzer
)

func (k LicenceKind) identity() (kind, string) {
	if k == Professional {
		return kindProfessional, "License.ProfessionalAccessType"
	}
	return kindAnalyzer, "License.AnalyzerAccessType"
}

// The numbers of licences that the site has bought.
const (
	professionalTotal = 50
	analyzerTotal     = 200
)

// SetLicenceEnd sets the last day of the server licence.
func (w *World) SetLicenceEnd(end time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.licenceEnd = end.UTC()
}

// Licence returns the server licence as it is now.
func (w *World) Licence() Licence {
	w.mu.RLock()
	end := w.licenceEnd
	w.mu.RUnlock()
	from := w.epoch.AddDate(-2, 0, 0).Format(time.DateOnly)
	until := end.Format(time.DateOnly)
	licence := Licence{
		ID:     w.identity.id(kindLicence, 0),
		Serial: "0001 0002 0003 0004",
		Key:    "simulated.licence.key",
		KeyDetails: fmt.Sprintf("Allotments:\n- Name: professional\n  Usage class: user\n  Value: %d\n"+
			"- Name: analyzer\n  Usage class: user\n  Value: %d\nValid From: %s\nValid To: %s\n",
			professionalTotal, analyzerTotal, from, until),
		Name:           "Example & Sons Ltd",
		Organization:   "Example",
		IsExpired:      w.Now().After(end),
		IsSubscription: true,
		Updated:        iso(w.epoch.AddDate(0, -2, 0)),
		SchemaPath:     "License",
	}
	if licence.IsExpired {
		licence.ExpiredReason = "The subscription period has ended"
	}
	return licence
}

// AccessTypes yields the licences of a kind that users hold: odd users are
// professionals, even ones analyzers.
func (w *World) AccessTypes(k LicenceKind) iter.Seq[AccessType] {
	return func(yield func(AccessType) bool) {
		for number := range w.users {
			if access, ok := w.access(k, number); ok && !yield(access) {
				return
			}
		}
	}
}

// AccessType returns one licence.
func (w *World) AccessType(k LicenceKind, id string) (AccessType, bool) {
	internal, _ := k.identity()
	number, ok := w.known(internal, id, w.users)
	if !ok {
		return AccessType{}, false
	}
	return w.access(k, number)
}

func (w *World) access(k LicenceKind, number uint64) (AccessType, bool) {
	internal, schema := k.identity()
	id := w.identity.id(internal, number)
	if (number%2 == 1) != (k == Professional) || w.isDeleted(id) || w.isDeleted(w.identity.id(kindUser, number)) {
		return AccessType{}, false
	}
	d := w.identity.dice(internal, number)
	access := AccessType{
		ID:            id,
		LastUsed:      iso(w.epoch.Add(-time.Duration(d.below(180*24)) * time.Hour)),
		QuarantineEnd: qlik.NeverDate,
		User:          w.userReference(int(number)),
		SchemaPath:    schema,
	}
	switch throw := d.below(100); {
	case throw < 8:
		access.LastUsed = qlik.NeverDate
	case throw < 16:
		access.Quarantined = true
		access.QuarantineEnd = iso(w.epoch.AddDate(0, 0, 1+d.below(7)))
	}
	return access, true
}

func (w *World) holdsLicence(id string) bool {
	for _, k := range []LicenceKind{Professional, Analyzer} {
		if _, ok := w.AccessType(k, id); ok {
			return true
		}
	}
	return false
}

// Overview returns the licence use, counted over the licences that users hold.
func (w *World) Overview() AccessOverview {
	return AccessOverview{
		UserAccess:         TokenPool{TokenCost: 1, QuarantinedTokens: new(0)},
		LoginAccess:        TokenPool{TokenCost: 1, UnavailableTokens: new(0)},
		ProfessionalAccess: w.pool(Professional, professionalTotal),
		AnalyzerAccess:     w.pool(Analyzer, analyzerTotal),
		SchemaPath:         "AccessTypeOverview",
	}
}

func (w *World) pool(k LicenceKind, total int) LicencePool {
	pool := LicencePool{Enabled: true, Total: total}
	for access := range w.AccessTypes(k) {
		pool.Allocated++
		if access.LastUsed != qlik.NeverDate {
			pool.Used++
		}
		if access.Quarantined {
			pool.Quarantined++
		}
	}
	pool.Excess = max(pool.Allocated-total, 0)
	pool.Available = max(total-pool.Allocated-pool.Quarantined, 0)
	return pool
}

// SystemInfo returns the product's version document.
func (w *World) SystemInfo() SystemInfo {
	return SystemInfo{
		ContentHash:              fmt.Sprintf("%016x", mix(w.identity.seed)),
		SenseID:                  "qliksenseserver:14.250.1",
		Version:                  "14.250.1",
		DeploymentType:           "QlikSenseServer",
		ReleaseLabel:             "May 2026",
		DeprecatedProductVersion: "4.0.X",
		ProductName:              "Qlik Sense",
		CopyrightYearRange:       "1993-2026",
	}
}
