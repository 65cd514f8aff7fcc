/// Keys made with ssh-keygen and openssl, with the fingerprints that those tools show.
enum SampleKeys {
    static let ssh: [(line: String, fingerprint: String)] = [
        (
            """
            ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC2ibPTIY7u5kgth7JO/H9MuQkwiT6NbOX6a3UwWo0fEKsR177e172I96kaU6gOD3+c\
            Dfzg2Pbsjhlknj3xS8wxagkIH7Gfibnrlt+gs/8ICBdd1DHgxkTsRjt7GK6gDex7tS6LuCjfZIAtu/XH49iRs6M56MpQ4R5J\
            fGo0Q9Qh/EI9RnW4MZilCjYc8wqmbWa+nrsAjCemBt0w0Tlqq/pldsEChNqaRbLBQjMHi8y8AM9P58EChbQZt2B47Tgj2Owp\
            RqJ/5dCeJvx0e+tjMSrXHvQPdmR6koVbXdzlmCqlutWQojLEVmdWpXqPiVbc61fEO02ufLhLA7rdzJIaz//f me@here
            """, "65:95:44:20:20:66:cd:ef:f9:c5:f4:d0:36:ad:b9:d3"
        ),
        (
            """
            ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBOqKjNLDHVrO1Ygd\
            sJbk2HME3sNegjV1TvwNpehs3B85\
            MKSZk4zyV5nnZDxT6N8vp/KsSRXl4nW8mTifY+UA3jE= me@here
            """, "3c:4c:9a:0f:0c:81:2d:e3:de:a0:89:1c:6a:80:eb:3d"
        ),
        (
            """
            ecdsa-sha2-nistp521 AAAAE2VjZHNhLXNoYTItbmlzdHA1MjEAAAAIbmlzdHA1MjEAAACFBADcNf/hQWVJIh9d\
            ZzDuxrV29S/YKZj8ReNcR60fpW4r\
            8Fj+LusQQGm768UZwz2/NBVP4Do/ggb4KDE9Gvbvb6KWRgFIU0HMsp2CubWnDqs2oI0zqsoVVHrtU19J956fL+f0q6LI5WLq\
            xwMzokDJMrIdb1iR06PuA1/aCSjqL6Rs8IG7fQ== me@here
            """, "e6:00:cc:dc:02:47:0c:b9:92:59:68:10:48:37:be:fe"
        ),
        (
            """
            ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIBkPfacMRfYkquS2EQM4LY7UZOM6xyKPbbb0ouR4t1t me@here
            """, "54:e4:53:0e:45:f0:25:86:a8:e5:8a:5c:57:5d:11:3a"
        ),
        (
            """
            ssh-dss AAAAB3NzaC1kc3MAAACBANbbE3+15hqxvWbrZFKXzFve8gDHgxqD20ZZLKa8wKWe9fyt4F849zRZZRl+ymMqfuvNJu1AiFOf\
            jwWwyvkFDxBkUbKmazAfXmj8HDnZj2H8LKwiqExQOM9MAJiB5XuvIKyR8jaDT9Mlc7sqTv8YAvfQX3AzTcy4FRgASeUqUDGR\
            AAAAFQCRtn8dzxn2CGMZLlNRB3l2hkWKAQAAAIAxWinIBzs3NqbMmScYFcZpxiPSiVq5hJf256M+lM6JiP+I+zllcoU4ZAtr\
            xmcE8diWmR7pYdPgtKb1Qk2KUlDipvisxs4LFhxqb7CwpbqW4u2acI1ZuW9+U+5R11UTWuJI6we0fVw6wLjAkm4ulFsTePbn\
            eLcFlRGbeci10UttFQAAAIEAl/N5jxJl6DAgHOFd9X9DsxIWyNSosN7aVW/QXwTLUwVNS/VZTkodEE97uZkhNPz5xkM6al5J\
            3vePrHDnk/cl7WN6rjbQ2WkR7/ZTOocFI4swEeBUzROuoEnYXAdPMURuHOc/Z71nNFhm0jtuY7QMYQFOu2EI6GyLL5lN3rob\
            Yqg= me@here
            """, "7f:30:0e:f8:a8:0e:c8:16:6a:17:6b:23:a7:f0:8b:17"
        ),
    ]

    static let certificate = """
        -----BEGIN CERTIFICATE-----
        MIIBdTCCARugAwIBAgIUcYmgmpu+i/5ZVopoujOTCuqm5IkwCgYIKoZIzj0EAwIw
        DzENMAsGA1UEAwwEdXNlcjAgFw0yNjExMjEwMzMzNTRaGA8yMTI2MTAyODAzMzM1
        NFowDzENMAsGA1UEAwwEdXNlcjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABHUe
        lqNqwfXw/YFRiBiBoRS0NzMJC6SpS7qvv9kWYPGk9wH73tpFjzpljeSBHxTDJGBG
        L8WGW1Hgxp0qGigYhl2jUzBRMB0GA1UdDgQWBBRoYhCOz5BcaGP9hFp+v2HM+srr
        uzAfBgNVHSMEGDAWgBRoYhCOz5BcaGP9hFp+v2HM+srruzAPBgNVHRMBAf8EBTAD
        AQH/MAoGCCqGSM49BAMCA0gAMEUCIEsHx9DMw603ePr9KxiGR5vnGixXQpESYIGZ
        lWhh6UgEAiEA8pn2BwaT0yjl3BTj8Ri0rIEuphNM4FX40tIVRCXJp/4=
        -----END CERTIFICATE-----
        """
    static let certificateFingerprint = "9d:68:79:5a:1c:b6:00:79:f5:6c:54:41:dc:1b:44:5f:94:d0:1a:6e"
}
