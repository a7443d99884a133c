package dovecottest

// configuration is dovecot.conf: the directory, the Maildir, the user's number,
// the names of the user and the group, and the ports of POP3 and POP3S. All
// processes run as one user, and none in a chroot, which takes root. A wrong
// password costs no time.
const configuration = `
protocols = pop3
listen = 127.0.0.1
base_dir = %[1]s/run
state_dir = %[1]s/state
log_path = %[1]s/log
default_internal_user = %[4]s
default_internal_group = %[5]s
default_login_user = %[4]s
first_valid_uid = %[3]d
first_valid_gid = 0
ssl = yes
ssl_cert = <%[1]s/cert.pem
ssl_key = <%[1]s/key.pem
disable_plaintext_auth = no
auth_mechanisms = plain login apop cram-md5 scram-sha-256
auth_failure_delay = 0
mail_location = maildir:%[2]s
mail_max_userip_connections = 0
passdb {
  driver = passwd-file
  args = username_format=%%u %[1]s/users
}
userdb {
  driver = passwd-file
  args = username_format=%%u %[1]s/users
}
service anvil {
  chroot =
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service pop3-login {
  chroot =
  inet_listener pop3 {
    port = %[6]d
  }
  inet_listener pop3s {
    port = %[7]d
    ssl = yes
  }
}
`
