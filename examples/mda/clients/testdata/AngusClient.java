// Fetches all messages from POP3 servers with Angus Mail: one session for each
// file of properties that it is given. Those are Angus Mail's own, and ca (a
// file), user, password, and to, the folder for the messages. It prints a line
// for each session: "fetched" and how many, or what went wrong.

import jakarta.mail.Folder;
import jakarta.mail.Message;
import jakarta.mail.MessagingException;
import jakarta.mail.Session;
import jakarta.mail.Store;
import java.io.BufferedOutputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.Properties;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocketFactory;
import javax.net.ssl.TrustManagerFactory;

public class AngusClient {
    public static void main(String[] files) throws Exception {
        for (String file : files) {
            Properties properties = new Properties();
            try (InputStream in = Files.newInputStream(Path.of(file))) {
                properties.load(in);
            }
            properties.put("mail.pop3.ssl.socketFactory", trusting(properties.getProperty("ca")));
            try {
                System.out.println("fetched " + fetch(properties));
            } catch (MessagingException e) {
                System.out.println(e.getCause() == null ? e.getMessage() : e.getCause().getMessage());
            }
        }
    }

    static int fetch(Properties properties) throws Exception {
        try (Store store = Session.getInstance(properties).getStore("pop3")) {
            store.connect(properties.getProperty("user"), properties.getProperty("password"));
            try (Folder inbox = store.getFolder("INBOX")) {
                inbox.open(Folder.READ_WRITE);
                Message[] messages = inbox.getMessages();
                for (Message message : messages) {
                    Path file = Path.of(properties.getProperty("to"), Integer.toString(message.getMessageNumber()));
                    try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(file))) {
                        message.writeTo(out);
                    }
                }
                return messages.length;
            }
        }
    }

    static SSLSocketFactory trusting(String ca) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (InputStream in = Files.newInputStream(Path.of(ca))) {
            store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(in));
        }
        TrustManagerFactory managers = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        managers.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, managers.getTrustManagers(), null);
        return context.getSocketFactory();
    }
}
