package clients

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// thunderbirdProfile makes a profile that trusts the test's CA.
func thunderbirdProfile(t *testing.T, certutil string) string {
	t.Helper()
	profile := filepath.Join(t.TempDir(), "profile")
	if err := os.Mkdir(profile, 0o700); err != nil {
		t.Fatal(err)
	}
	ctx := within(t, time.Minute)
	run(t, command(ctx, profile, certutil, "-N", "-d", "sql:"+profile, "--empty-password"))
	run(t, command(ctx, profile, certutil, "-A", "-d", "sql:"+profile, "-n", "popcask", "-t", "C,,", "-i", certificates(t).ca))
	return profile
}

// quiet are the preferences of a Thunderbird that speaks to loopback only and
// asks no questions.
var quiet = map[string]any{
	// Marionette on a port of its own choosing, written to a file.
	"marionette.port": 0,

	// Nothing leaves the machine: every request for anything but a
	// loopback address goes to a proxy that is not there.
	"network.proxy.type":                                          1,
	"network.proxy.http":                                          "127.0.0.1",
	"network.proxy.http_port":                                     9,
	"network.proxy.ssl":                                           "127.0.0.1",
	"network.proxy.ssl_port":                                      9,
	"network.proxy.socks":                                         "127.0.0.1",
	"network.proxy.socks_port":                                    9,
	"network.proxy.socks_remote_dns":                              true,
	"network.dns.disablePrefetch":                                 true,
	"network.connectivity-service.enabled":                        false,
	"network.captive-portal-service.enabled":                      false,
	"network.trr.mode":                                            5,
	"app.update.enabled":                                          false,
	"app.update.auto":                                             false,
	"app.update.disabledForTesting":                               true,
	"app.normandy.enabled":                                        false,
	"app.donation.eoy.version.viewed":                             999,
	"browser.safebrowsing.blockedURIs.enabled":                    false,
	"browser.safebrowsing.malware.enabled":                        false,
	"browser.safebrowsing.phishing.enabled":                       false,
	"browser.safebrowsing.downloads.remote.enabled":               false,
	"browser.region.network.url":                                  "",
	"browser.region.update.enabled":                               false,
	"browser.search.update":                                       false,
	"datareporting.healthreport.uploadEnabled":                    false,
	"datareporting.policy.dataSubmissionEnabled":                  false,
	"datareporting.policy.dataSubmissionPolicyBypassNotification": true,
	"toolkit.telemetry.enabled":                                   false,
	"toolkit.telemetry.server":                                    "data:,",
	"extensions.update.enabled":                                   false,
	"extensions.getAddons.cache.enabled":                          false,
	"extensions.blocklist.enabled":                                false,
	"extensions.systemAddon.update.enabled":                       false,
	"media.gmp-manager.url":                                       "data:,",
	"media.gmp-manager.updateEnabled":                             false,
	"services.settings.server":                                    "data:,#remote-settings-dummy/v1",
	"security.OCSP.enabled":                                       0,
	"mail.inappnotifications.enabled":                             false,
	"mail.inappnotifications.url":                                 "",
	"mailnews.start_page.enabled":                                 false,
	"mailnews.start_page.url":                                     "",
	"mailnews.start_page_override.mstone":                         "ignore",

	// No questions, no noise, no indexing.
	"mail.provider.suppress_dialog_on_startup": true,
	"mail.rights.version":                      1,
	"mail.spotlight.firstRunDone":              true,
	"mail.winsearch.firstRunDone":              true,
	"mail.shell.checkDefaultClient":            false,
	"mail.shell.checkDefaultMail":              false,
	"mail.biff.show_alert":                     false,
	"mail.biff.play_sound":                     false,
	"mail.chat.enabled":                        false,
	"mailnews.database.global.indexer.enabled": false,
	"app.use_without_mail_account":             true,
	"browser.shell.checkDefaultBrowser":        false,
	"toolkit.startup.max_resumed_crashes":      -1,
	"browser.sessionstore.resume_from_crash":   false,
	"mail.prompt_purge_threshhold":             false,
	"mail.purge.ask":                           false,

	// Local folders, which every profile has.
	"mail.accountmanager.localfoldersserver": "server9",
	"mail.account.account9.server":           "server9",
	"mail.server.server9.type":               "none",
	"mail.server.server9.hostname":           "Local Folders",
	"mail.server.server9.userName":           "nobody",
	"mail.server.server9.name":               "Local Folders",
}

// configure writes the preferences: the quiet ones, and the accounts with the
// ports that the MDA has now.
func configure(t *testing.T, profile string, m *mda, accounts []tbAccount) {
	t.Helper()
	prefs := maps.Clone(quiet)
	prefs["mail.root.pop3"] = filepath.Join(profile, "Mail")
	prefs["mail.root.none"] = filepath.Join(profile, "Mail")
	prefs["mail.server.server9.directory"] = filepath.Join(profile, "Mail", "Local Folders")

	var keys []string
	for i, a := range accounts {
		account, identity, server := fmt.Sprintf("account%d", i+1), fmt.Sprintf("id%d", i+1), "mail.server."+a.key+"."
		keys = append(keys, account)
		address := m.pop3
		if a.socket == implicitTLS {
			address = m.pop3s
		}
		portNumber, err := strconv.Atoi(port(address))
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range map[string]any{
			"mail.account." + account + ".server":      a.key,
			"mail.account." + account + ".identities":  identity,
			"mail.identity." + identity + ".fullName":  a.user,
			"mail.identity." + identity + ".useremail": a.user + "@corpus.example",
			"mail.identity." + identity + ".valid":     true,
			server + "type":                            "pop3",
			server + "hostname":                        host,
			server + "port":                            portNumber,
			server + "userName":                        a.user,
			server + "name":                            a.user,
			server + "socketType":                      a.socket,
			server + "authMethod":                      a.method,
			server + "leave_on_server":                 a.leave,
			server + "delete_mail_left_on_server":      false,
			server + "delete_by_age_from_server":       false,
			server + "check_new_mail":                  false,
			server + "login_at_startup":                false,
			server + "download_on_biff":                false,
			server + "deferred_to_account":             "",
			server + "spamLevel":                       0,
			server + "storeContractID":                 "@mozilla.org/msgstore/berkeleystore;1",
			server + "directory":                       filepath.Join(profile, "Mail", a.key),
		} {
			prefs[name] = value
		}
	}
	prefs["mail.accountmanager.accounts"] = strings.Join(append(keys, "account9"), ",")
	prefs["mail.accountmanager.defaultaccount"] = keys[0]

	var user strings.Builder
	for name, value := range prefs {
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&user, "user_pref(%q, %s);\n", name, text)
	}
	write(t, filepath.Join(profile, "user.js"), user.String())
}
