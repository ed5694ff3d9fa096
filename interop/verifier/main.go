// Verifies a bundle by sigstore-go, the library that the port of model_signing to Go verifies with:
//
//	verifier BUNDLE DIGEST --key PUBLIC.pem
//	verifier BUNDLE DIGEST --trusted-root ROOT.json --identity NAME --issuer URL
//
// DIGEST is the SHA-256 in hexadecimal that the statement must be about. What was signed goes to standard output.
package main

import (
	"crypto"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/signature"
)

type options struct {
	bundle, digest, key, root, identity, issuer string
}

func main() {
	payload, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Stdout.Write(payload)
}

func run(words []string) ([]byte, error) {
	if len(words) < 2 {
		return nil, errors.New("usage: verifier BUNDLE DIGEST --key FILE | --trusted-root FILE --identity NAME --issuer URL")
	}
	chosen := options{bundle: words[0], digest: words[1]}
	flags := flag.NewFlagSet("verifier", flag.ContinueOnError)
	flags.StringVar(&chosen.key, "key", "", "the public key, PEM")
	flags.StringVar(&chosen.root, "trusted-root", "", "whom to believe, as Sigstore's TrustedRoot")
	flags.StringVar(&chosen.identity, "identity", "", "who must have signed")
	flags.StringVar(&chosen.issuer, "issuer", "", "who must have vouched for that")
	if err := flags.Parse(words[2:]); err != nil {
		return nil, err
	}
	return chosen.verify()
}

func (o options) verify() ([]byte, error) {
	signed, err := bundle.LoadJSONFromPath(o.bundle)
	if err != nil {
		return nil, err
	}
	digest, err := hex.DecodeString(o.digest)
	if err != nil {
		return nil, err
	}
	about := verify.WithArtifactDigest("sha256", digest)
	verifier, by, err := o.whom()
	if err != nil {
		return nil, err
	}
	if _, err := verifier.Verify(signed, verify.NewPolicy(about, by)); err != nil {
		return nil, err
	}
	content, err := signed.Envelope()
	if err != nil {
		return nil, err
	}
	return content.DecodeB64Payload()
}

func (o options) whom() (*verify.Verifier, verify.PolicyOption, error) {
	if o.key != "" {
		return byKey(o.key)
	}
	trusted, err := root.NewTrustedRootFromPath(o.root)
	if err != nil {
		return nil, nil, err
	}
	identity, err := verify.NewShortCertificateIdentity(o.issuer, "", o.identity, "")
	if err != nil {
		return nil, nil, err
	}
	verifier, err := verify.NewVerifier(trusted,
		verify.WithSignedCertificateTimestamps(1), verify.WithTransparencyLog(1), verify.WithObserverTimestamps(1))
	return verifier, verify.WithCertificateIdentity(identity), err
}

func byKey(path string) (*verify.Verifier, verify.PolicyOption, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, nil, errors.New("no PEM")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, nil, err
	}
	trusted := root.NewTrustedPublicKeyMaterial(func(string) (root.TimeConstrainedVerifier, error) {
		verifier, err := signature.LoadDefaultVerifier(crypto.PublicKey(key))
		return root.NewExpiringKey(verifier, time.Time{}, time.Time{}), err
	})
	verifier, err := verify.NewVerifier(trusted, verify.WithNoObserverTimestamps())
	return verifier, verify.WithKey(), err
}
