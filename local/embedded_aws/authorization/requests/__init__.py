"""What a request to the AWS API needs: actions, resources and condition keys, as AWS has them.

One file a service. ministack 1.5.33 names the resource of many actions too coarsely; where it is
right, nothing is here.
"""
