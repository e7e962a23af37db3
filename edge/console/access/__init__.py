"""Who may open the page: passwords, log-ins that last while somebody is there, and the gate that asks for both.

On loopback the page is open to everybody who is on the machine. On any other address, and where the config says
`login: always`, it is not: `Gate` lets nobody past without a password.
"""
