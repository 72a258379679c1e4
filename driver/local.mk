# The replay driver.
