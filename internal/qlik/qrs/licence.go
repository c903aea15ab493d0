package qrs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"butler/internal/qlik"
	"butler/messages"
)

// maxKeyDetails bounds the text that describes the signed licence, in characters.
const maxKeyDetails = 20_000

// Where the licence is, and how the access licences are used.
const (
	licencePath  = "license"
	overviewPath = "license/accesstypeoverview"
)

// License is the licence of the Qlik Sense server.
type License struct {
	Expired bool
	// KeyDetails is the licence in words, several lines. "Valid To:" is in it.
	KeyDetails         string
	Name, Organization string
}

// License returns the server's licence. An object that says neither whether it has
// ended nor anything about it is an error, so that no other answer looks like a good licence.
func (c *Client) License(ctx context.Context) (License, error) {
	var doc struct {
		IsExpired    text `json:"isExpired"`
		KeyDetails   text `json:"keyDetails"`
		Name         text `json:"name"`
		Organization text `json:"organization"`
	}
	if err := c.plainObject(ctx, licencePath, &doc); err != nil {
		return License{}, err
	}
	expired := strings.EqualFold(string(doc.IsExpired), "true")
	if !expired && !strings.EqualFold(string(doc.IsExpired), "false") && doc.KeyDetails == "" {
		return License{}, c.invalid(request{op: opLicence, path: licencePath}, "the answer does not tell of a licence")
	}
	return License{
		Expired: expired, KeyDetails: prose(string(doc.KeyDetails), maxKeyDetails),
		Name: doc.Name.line(maxName), Organization: doc.Organization.line(maxName),
	}, nil
}

// AccessOverview is the use of every kind of access licence. A kind that the
// QRS does not mention is not enabled.
type AccessOverview struct {
	TotalTokens, AvailableTokens int64
	// TokensEnabled says that the two count.
	TokensEnabled          bool
	User                   UserAccess
	Login                  LoginAccess
	Professional, Analyzer SeatAccess
	AnalyzerTime           TimeAccess
}

// UserAccess is the use of tokens for named users.
type UserAccess struct {
	Enabled                                                   bool
	TokenCost, AllocatedTokens, UsedTokens, QuarantinedTokens int64
}

// LoginAccess is the use of tokens for log-ins.
type LoginAccess struct {
	Enabled                                                   bool
	TokenCost, AllocatedTokens, UsedTokens, UnavailableTokens int64
}

// SeatAccess is the use of licences that belong to a person.
type SeatAccess struct {
	Enabled                                                bool
	Total, Allocated, Used, Quarantined, Available, Excess int64
}

// TimeAccess is the use of licences by the minute.
type TimeAccess struct {
	Enabled                                           bool
	AllocatedMinutes, UsedMinutes, UnavailableMinutes int64
}

type accessDoc struct {
	Enabled            flag    `json:"enabled"`
	TokenCost          integer `json:"tokenCost"`
	AllocatedTokens    integer `json:"allocatedTokens"`
	UsedTokens         integer `json:"usedTokens"`
	QuarantinedTokens  integer `json:"quarantinedTokens"`
	UnavailableTokens  integer `json:"unavailableTokens"`
	Total              integer `json:"total"`
	Allocated          integer `json:"allocated"`
	Used               integer `json:"used"`
	Quarantined        integer `json:"quarantined"`
	Available          integer `json:"available"`
	Excess             integer `json:"excess"`
	AllocatedMinutes   integer `json:"allocatedMinutes"`
	UsedMinutes        integer `json:"usedMinutes"`
	UnavailableMinutes integer `json:"unavailableMinutes"`
}

func (d accessDoc) seats() SeatAccess {
	return SeatAccess{
		bool(d.Enabled), d.Total.or(0), d.Allocated.or(0), d.Used.or(0), d.Quarantined.or(0), d.Available.or(0), d.Excess.or(0),
	}
}

// AccessOverview returns how many access licences there are and in use. An object that
// tells of none of them is an error.
func (c *Client) AccessOverview(ctx context.Context) (AccessOverview, error) {
	var doc struct {
		TotalTokens        integer   `json:"totalTokens"`
		AvailableTokens    integer   `json:"availableTokens"`
		TokensEnabled      flag      `json:"tokensEnabled"`
		UserAccess         accessDoc `json:"userAccess"`
		LoginAccess        accessDoc `json:"loginAccess"`
		ProfessionalAccess accessDoc `json:"professionalAccess"`
		AnalyzerAccess     accessDoc `json:"analyzerAccess"`
		AnalyzerTimeAccess accessDoc `json:"analyzerTimeAccess"`
	}
	nothing := doc
	if err := c.plainObject(ctx, overviewPath, &doc); err != nil {
		return AccessOverview{}, err
	}
	if doc == nothing {
		return AccessOverview{}, c.invalid(request{op: opLicence, path: overviewPath}, "the answer does not tell of access licences")
	}
	user, login, minutes := doc.UserAccess, doc.LoginAccess, doc.AnalyzerTimeAccess
	return AccessOverview{
		TotalTokens: doc.TotalTokens.or(0), AvailableTokens: doc.AvailableTokens.or(0), TokensEnabled: bool(doc.TokensEnabled),
		User: UserAccess{
			bool(user.Enabled), user.TokenCost.or(0), user.AllocatedTokens.or(0), user.UsedTokens.or(0), user.QuarantinedTokens.or(0),
		},
		Login: LoginAccess{
			bool(login.Enabled), login.TokenCost.or(0), login.AllocatedTokens.or(0), login.UsedTokens.or(0), login.UnavailableTokens.or(0),
		},
		Professional: doc.ProfessionalAccess.seats(),
		Analyzer:     doc.AnalyzerAccess.seats(),
		AnalyzerTime: TimeAccess{
			bool(minutes.Enabled), minutes.AllocatedMinutes.or(0), minutes.UsedMinutes.or(0), minutes.UnavailableMinutes.or(0),
		},
	}, nil
}

// plainObject gets an object that has no ID to check.
func (c *Client) plainObject(ctx context.Context, path string, into any) error {
	r := request{op: opLicence, path: path, limit: maxPlainBytes}
	body, err := c.send(ctx, r)
	if err != nil {
		return err
	}
	if err := decodeObject(body, into); err != nil {
		return c.invalid(r, "%w", err)
	}
	return nil
}

// AccessType is a kind of licence that can be released.
type AccessType uint8

// The access types.
const (
	Professional AccessType = iota
	Analyzer
)

var accessPaths = [...]string{Professional: "license/professionalaccesstype", Analyzer: "license/analyzeraccesstype"}

// String returns the label form of t.
func (t AccessType) String() string { return [...]string{"professional", "analyzer"}[t] }

// Allocation is an access licence that somebody has.
type Allocation struct {
	ID string
	// LastUsed is the ISO text of the QRS; a year of 1753 means never.
	LastUsed string
	// Created and Modified are ISO texts, "" where the QRS does not say.
	Created, Modified string
	// Quarantined is also true when the QRS does not say: when in doubt, a licence must
	// not be released.
	Quarantined bool
	// Owner is the user's object ID, the rest is how people know the user.
	Owner, UserDirectory, UserID, UserName string
}

type allocationDoc struct {
	entityDoc
	LastUsed    text  `json:"lastUsed"`
	Created     text  `json:"createdDate"`
	Modified    text  `json:"modifiedDate"`
	Quarantined *bool `json:"quarantined"`
	User        struct {
		entityDoc
		UserID        text `json:"userId"`
		UserDirectory text `json:"userDirectory"`
	} `json:"user"`
}

func (d allocationDoc) allocation() Allocation {
	return Allocation{
		ID: d.key(), LastUsed: d.LastUsed.line(maxStamp), Created: d.Created.line(maxStamp), Modified: d.Modified.line(maxStamp),
		Quarantined: d.Quarantined == nil || *d.Quarantined,
		Owner:       d.User.key(), UserID: d.User.UserID.line(maxName), UserDirectory: d.User.UserDirectory.line(maxName),
		UserName: d.User.Name.line(maxName),
	}
}

// UnusedSince returns the access licences that were not used after a moment.
func (c *Client) UnusedSince(ctx context.Context, t AccessType, moment time.Time) ([]Allocation, error) {
	filter := AtMost(FieldLastUsed, moment.UTC().Format("2006-01-02T15:04:05.000Z"))
	docs, err := list[allocationDoc](ctx, c, request{op: opLicence, path: accessPaths[t] + "/full", filter: filter})
	return translate(docs, allocationDoc.allocation), err
}

// Release takes an access licence away from its user. It is never repeated.
func (c *Client) Release(ctx context.Context, t AccessType, id string) error {
	r := request{op: opLicenceRelease, method: http.MethodDelete, path: accessPaths[t] + "/" + strings.ToLower(id), single: true}
	if !qlik.IsGUID(id) {
		return c.rejected(r, errors.New("the licence ID is not an object ID"))
	}
	_, err := c.send(ctx, r)
	return err
}

// Account is what decides whether a user keeps a licence.
type Account struct {
	Tags       []string
	Properties []messages.Property
	// TagsUnclear and PropertiesUnclear say that there may be others, because the QRS
	// does not tell of them, or not in a way that is understood.
	TagsUnclear, PropertiesUnclear bool
	// Inactive, Blocked and RemovedExternally are states of the account, nil where
	// the QRS does not say.
	Inactive, Blocked, RemovedExternally *bool
}

// Account returns the account of a user, by its object ID. It is an error if the account
// has more tags or properties than are read: one of them might protect its licence.
func (c *Client) Account(ctx context.Context, id string) (Account, error) {
	r := request{op: opUser, path: "user/" + strings.ToLower(id), single: true}
	if !qlik.IsGUID(id) {
		return Account{}, c.rejected(r, errors.New("the user ID is not an object ID"))
	}
	doc, err := object[accountDoc](ctx, c, r)
	if err != nil {
		return Account{}, err
	}
	if len(doc.Tags.items) == maxListLength || len(doc.CustomProperties.items) == maxListLength {
		return Account{}, c.invalid(r, "the user has more tags or custom properties than can be looked at")
	}
	a := Account{
		TagsUnclear: !doc.Tags.known, PropertiesUnclear: !doc.CustomProperties.known,
		Inactive: doc.Inactive.is, Blocked: doc.Blacklisted.is, RemovedExternally: doc.RemovedExternally.is,
	}
	for _, tag := range doc.Tags.items {
		name := tag.Name.line(maxName)
		a.Tags, a.TagsUnclear = append(a.Tags, name), a.TagsUnclear || name == ""
	}
	for _, p := range doc.CustomProperties.items {
		property := messages.Property{Name: p.Definition.Name.line(maxName), Value: p.Value.line(maxName)}
		a.Properties, a.PropertiesUnclear = append(a.Properties, property), a.PropertiesUnclear || property.Name == ""
	}
	return a, nil
}

type accountDoc struct {
	entityDoc
	Tags              roll[entityDoc]   `json:"tags"`
	CustomProperties  roll[propertyDoc] `json:"customProperties"`
	Inactive          state             `json:"inactive"`
	Blacklisted       state             `json:"blacklisted"`
	RemovedExternally state             `json:"removedExternally"`
}

// roll is a list of which it matters whether everything in it is understood.
type roll[T any] struct {
	items []T
	known bool
}

// UnmarshalJSON implements json.Unmarshaler.
func (l *roll[T]) UnmarshalJSON(raw []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	start, _ := decoder.Token()
	for l.known = start == json.Delim('['); l.known && decoder.More() && len(l.items) < maxListLength; {
		var item T
		l.known = decoder.Decode(&item) == nil
		l.items = append(l.items, item)
	}
	return nil
}

// state is an optional boolean.
type state struct{ is *bool }

// UnmarshalJSON implements json.Unmarshaler.
func (s *state) UnmarshalJSON(raw []byte) error {
	if on := string(raw) == "true"; on || string(raw) == "false" {
		s.is = &on
	}
	return nil
}
