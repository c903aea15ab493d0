package sink

import (
	"crypto/hmac"
	"crypto/md5"
	"encoding/hex"
	"strings"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

const cramMD5 = "CRAM-MD5"

type credentials struct{ user, password string }

func (c credentials) check(user, password string) error {
	if same(user, c.user) && same(password, c.password) {
		return nil
	}
	return smtp.ErrAuthFailed
}

// newAuthentication returns the server side of a mechanism. It calls succeeded with the user.
func newAuthentication(mechanism string, want credentials, succeeded func(user string)) (sasl.Server, error) {
	switch mechanism {
	case sasl.Plain:
		return sasl.NewPlainServer(func(_, user, password string) error {
			if err := want.check(user, password); err != nil {
				return err
			}
			succeeded(user)
			return nil
		}), nil
	case sasl.Login:
		return &loginServer{want: want, succeeded: succeeded}, nil
	case cramMD5:
		return &cramServer{want: want, succeeded: succeeded}, nil
	default:
		return nil, smtp.ErrAuthUnknownMechanism
	}
}

// loginServer is the mechanism LOGIN: it requests the user and then the password.
type loginServer struct {
	want      credentials
	succeeded func(string)
	asked     int
	user      string
}

// Next answers one line of the client.
func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	if l.asked == 0 && response == nil {
		l.asked = 1
		return []byte("Username:"), false, nil
	}
	if l.asked < 2 {
		l.asked, l.user = 2, string(response)
		return []byte("Password:"), false, nil
	}
	if err := l.want.check(l.user, string(response)); err != nil {
		return nil, true, err
	}
	l.succeeded(l.user)
	return nil, true, nil
}

// cramServer is CRAM-MD5: it requires the challenge hashed with the password.
type cramServer struct {
	want      credentials
	succeeded func(string)
	asked     bool
}

// cramChallenge is the same for every client: nothing here is worth protecting.
const cramChallenge = "<1896.697170952@mail.sim.example>"

// Next answers one line of the client.
func (c *cramServer) Next(response []byte) (challenge []byte, done bool, err error) {
	if !c.asked {
		c.asked = true
		return []byte(cramChallenge), false, nil
	}
	user, digest, _ := strings.Cut(string(response), " ")
	mac := hmac.New(md5.New, []byte(c.want.password))
	mac.Write([]byte(cramChallenge))
	if !same(user, c.want.user) || !same(digest, hex.EncodeToString(mac.Sum(nil))) {
		return nil, true, smtp.ErrAuthFailed
	}
	c.succeeded(user)
	return nil, true, nil
}
